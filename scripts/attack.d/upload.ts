import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

export interface Upload {
  readonly port: number
  readonly bytes: number
  readonly seconds: number
  /** Of who carries it, asked now and then. */
  readonly memory: () => Promise<number>
  readonly signal: AbortSignal
}

const everyMs = 50

/** One body, a piece at a time. Tells whether what the app has heard is what was said. */
export async function uploadSlowly({ port, bytes, seconds, memory, signal }: Upload) {
  const began = Date.now()
  const piece = Buffer.alloc(Math.ceil((bytes * everyMs) / 1000 / seconds))
  const hash = createHash('sha256')
  const headers = { host: 'shop.test', 'content-length': bytes }
  const req = http.request({ port, host: '127.0.0.1', path: '/', method: 'POST', headers, signal })
  const answered = once(req, 'response') as Promise<[IncomingMessage]>
  answered.catch(() => undefined)
  let most = 0
  let said = 0
  for (let turn = 0; said < bytes; turn++) {
    const part = piece.subarray(0, bytes - said).fill(turn & 255)
    hash.update(part)
    said += part.length
    // A piece that is still on its way may not be filled anew.
    if (!req.write(Buffer.from(part))) await once(req, 'drain', { signal })
    if (turn % 40 === 0) most = Math.max(most, await memory())
    await pause(Math.max(0, began + (turn + 1) * everyMs - Date.now()), undefined, { signal })
  }
  req.end()
  const [res] = await answered
  let heard = ''
  for await (const chunk of res) heard += chunk
  const whole = heard === `${bytes} ${hash.digest('hex')}`
  return { whole, took: Math.round((Date.now() - began) / 1000), most }
}
