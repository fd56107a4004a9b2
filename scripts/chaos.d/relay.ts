import { rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Transform } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

/** Stands before the engine's socket and passes everything on, until told otherwise. */
export interface Relay {
  readonly path: string
  /** Breaks every connection, the stream of events with them, and refuses new ones for so long. */
  cut(refuseMs: number): Promise<void>
  /** Holds every chunk back for `byMs`, during `forMs`. */
  slow(byMs: number, forMs: number): Promise<void>
  close(): Promise<void>
}

export async function openRelay(path: string, target: string): Promise<Relay> {
  const ends = new Set<Socket>()
  let refusing = false
  let delayMs = 0
  const hold = (): Duplex =>
    new Transform({
      transform(chunk, _encoding, done) {
        if (delayMs === 0) done(null, chunk)
        else setTimeout(() => done(null, chunk), delayMs)
      },
    })
  const server = createServer({ allowHalfOpen: true }, near => {
    if (refusing) return near.destroy()
    const far = connect({ path: target, allowHalfOpen: true })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(one)
      one.on('error', () => one.destroy())
      one.once('close', () => {
        ends.delete(one)
        other.destroy()
      })
      one.pipe(hold()).pipe(other)
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  const breakAll = () => {
    for (const each of [...ends]) each.destroy()
  }
  return {
    path,
    async cut(refuseMs) {
      refusing = true
      breakAll()
      await pause(refuseMs)
      refusing = false
    },
    async slow(byMs, forMs) {
      delayMs = byMs
      await pause(forMs)
      delayMs = 0
    },
    async close() {
      breakAll()
      await new Promise(resolve => server.close(resolve))
      rmSync(path, { force: true })
    },
  }
}
