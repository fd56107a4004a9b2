import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'

/** A running Node, looked into from outside. */
export interface Inspector {
  /** Bytes of the heap in use after a garbage collection. */
  heapUsed(): Promise<number>
  close(): void
}

/** Where Node listens when SIGUSR1 wakes its inspector. */
const port = 9229

/** Only one process at a time can be looked into. */
export async function openInspector(pid: number): Promise<Inspector> {
  process.kill(pid, 'SIGUSR1')
  const socket = new WebSocket(await address())
  await once(socket, 'open')
  const gone = new AbortController()
  socket.addEventListener('close', () => gone.abort(new Error(`Process ${pid} has ended.`)))
  let last = 0
  const call = async (method: string, params: object = {}): Promise<Record<string, unknown>> => {
    const id = ++last
    socket.send(JSON.stringify({ id, method, params }))
    for (;;) {
      const [{ data }] = (await once(socket, 'message', gone)) as [MessageEvent]
      const words = JSON.parse(data)
      if (words.id === id) return words.result
    }
  }
  const evaluate = async (expression: string) => {
    const { result } = await call('Runtime.evaluate', { expression })
    return (result as { value: number }).value
  }
  const found = await evaluate('process.pid')
  if (found !== pid) throw new Error(`Port ${port} belongs to process ${found}, which has its inspector on.`)
  return {
    async heapUsed() {
      // What finalizers let go is collected by the next one.
      for (let n = 0; n < 3; n++) await call('HeapProfiler.collectGarbage')
      return evaluate('process.memoryUsage().heapUsed')
    },
    close: () => socket.close(),
  }
}

async function address(): Promise<string> {
  for (let n = 0; ; n++) {
    try {
      const list = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as [
        { webSocketDebuggerUrl: string },
      ]
      return list[0].webSocketDebuggerUrl
    } catch (error) {
      if (n === 50) throw error
      await pause(100)
    }
  }
}
