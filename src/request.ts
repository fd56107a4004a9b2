import http from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'

import type { Destination } from './outbound.ts'

/** GET unless told otherwise. Ends with the signal, and after 10 s of silence. */
export interface OutboundRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

/** What came back, whatever its status. */
export interface OutboundAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Its beginning: 64 KB at most. */
  readonly body: string
}

const silenceMs = 10_000
const longestBody = 64 * 1024

/** One request on a connection of its own, to the addresses that were found to be allowed. No redirection is followed: it might lead anywhere. */
export function requestTo(
  { url, addresses }: Destination,
  { method = 'GET', headers = {}, body = '', signal }: OutboundRequest,
): Promise<OutboundAnswer> {
  const found = addresses.map(address => ({ address, family: isIP(address) }))
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      ...{ method, signal, agent: false, timeout: silenceMs },
      headers: { 'User-Agent': 'davit', ...headers, 'Content-Length': Buffer.byteLength(body) },
      lookup: (_name, options, answer) =>
        options.all ? answer(null, found) : answer(null, found[0]!.address, found[0]!.family),
    })
    request.on('timeout', () =>
      request.destroy(new Error(`${url.host} was silent for ${silenceMs / 1000} s`)),
    )
    request.on('error', reject)
    request.on('response', response => {
      let text = ''
      const end = () => {
        const fields = Object.entries(response.headers).map(([name, value]) => [name, String(value)])
        resolve({ status: response.statusCode!, headers: Object.fromEntries(fields), body: text })
        request.destroy()
      }
      response.setEncoding('utf8')
      response.on('error', reject)
      response.on('end', end)
      response.on('data', (chunk: string) => {
        text = (text + chunk).slice(0, longestBody)
        if (text.length === longestBody) end()
      })
    })
    request.end(body)
  })
}
