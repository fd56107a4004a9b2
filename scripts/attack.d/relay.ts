import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

import type { Ground } from './ground.ts'

/** Passes connections on to a port, from twenty addresses of 127/8 in turn, for tools that have one. In a thread, so that it holds up nobody. */
export async function openRelay(ground: Pick<Ground, 'teardown'>, port: number) {
  const thread = new Worker(import.meta.filename, { workerData: port })
  ground.teardown(() => thread.terminate())
  const [listensOn] = (await once(thread, 'message')) as [number]
  return {
    port: listensOn,
    /** Most that were open at a time, since this was asked last. */
    async most(): Promise<number> {
      thread.postMessage('most')
      const [most] = (await once(thread, 'message')) as [number]
      return most
    },
  }
}

async function relay(port: number) {
  let [turn, open, most] = [0, 0, 0]
  const server = net.createServer({ highWaterMark: 1024 }, socket => {
    const onward = net.connect({ port, host: '127.0.0.1', localAddress: `127.0.1.${1 + (turn++ % 20)}` })
    most = Math.max(most, ++open)
    socket.on('error', () => onward.destroy()).on('close', () => onward.destroy())
    onward.on('error', () => socket.destroy())
    onward.on('close', () => {
      open--
      socket.destroy()
    })
    socket.pipe(onward).pipe(socket)
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  parentPort!.postMessage((server.address() as AddressInfo).port)
  parentPort!.on('message', () => {
    parentPort!.postMessage(most)
    most = open
  })
}

if (!isMainThread) await relay(workerData as number)
