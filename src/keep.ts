import type { ChildProcess } from 'node:child_process'

import type { Logger } from './log.ts'

export interface Kept {
  /** Asks with SIGTERM, ends with SIGKILL after `graceMs`, and starts it no more. */
  stop(options: { graceMs: number }): Promise<void>
}

export interface Patience {
  /** The first pause before starting again; it doubles up to `longestMs`. */
  readonly firstMs: number
  readonly longestMs: number
  /** Up for so long, the pauses begin anew. */
  readonly steadyMs: number
  readonly log: Logger
}

/** Keeps one child process running: whenever it ends, says why and starts it again. */
export function keep(name: string, start: () => ChildProcess, patience: Patience): Kept {
  let stopping = false
  let pauseMs = patience.firstMs
  let timer: NodeJS.Timeout | undefined
  let child: ChildProcess
  /** The process that has taken the child's place, and holds its end of the channel. */
  let successor: number | undefined
  let ended: Promise<void>

  function run() {
    const since = Date.now()
    child = start()
    successor = undefined
    child.on('message', (words: { successor?: number }) => {
      successor = words.successor ?? successor
    })
    ended = endOf(child, () => successor).then(why => {
      if (stopping) return
      const upMs = Date.now() - since
      if (upMs >= patience.steadyMs) pauseMs = patience.firstMs
      patience.log.warn(`${name} ended ${why} after ${seconds(upMs)}; it starts again in ${seconds(pauseMs)}`)
      timer = setTimeout(run, pauseMs)
      pauseMs = Math.min(pauseMs * 2, patience.longestMs)
    })
  }

  const kill = (signal: NodeJS.Signals) => {
    child.kill(signal)
    if (successor !== undefined && child.connected) process.kill(successor, signal)
  }

  run()
  return {
    async stop({ graceMs }) {
      stopping = true
      clearTimeout(timer)
      kill('SIGTERM')
      const last = setTimeout(() => kill('SIGKILL'), graceMs)
      await ended
      clearTimeout(last)
    },
  }
}

function endOf(child: ChildProcess, successor: () => number | undefined): Promise<string> {
  return new Promise(resolve => {
    child.once('error', error => child.pid === undefined && resolve(`before it began (${error.message})`))
    child.once('exit', (code, signal) => {
      const why = signal ? `by ${signal}` : `with exit code ${code}`
      if (successor() === undefined || !child.connected) return resolve(why)
      child.once('disconnect', () => resolve(`as process ${successor()}, which had taken its place`))
    })
  })
}

function seconds(ms: number): string {
  return `${ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1000)} s`
}
