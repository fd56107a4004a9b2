import { once } from 'node:events'
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'

import type { Test } from 'tap'

/** A TLS connection that trusts whoever answers, and closes with the test. */
export async function secure(
  t: Test,
  port: number,
  options: ConnectionOptions = {},
): Promise<TLSSocket & { readonly heard: () => string }> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    servername: 'shop.test',
    rejectUnauthorized: false,
    ...options,
  })
  t.teardown(() => socket.destroy())
  let heard = ''
  socket.on('data', chunk => {
    heard += chunk.toString('latin1')
  })
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  return Object.assign(socket, { heard: () => heard })
}

/** An HTTP/2 connection of Node's own client. */
export async function session(
  t: Test,
  port: number,
  { servername = 'shop.test', ...options }: http2.SecureClientSessionOptions & { servername?: string } = {},
): Promise<ClientHttp2Session> {
  const client = http2.connect(`https://127.0.0.1:${port}`, {
    servername,
    rejectUnauthorized: false,
    ...options,
  })
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  await once(client, 'connect')
  return client
}

export interface Asking2 {
  readonly method?: string
  readonly authority?: string | undefined
  readonly headers?: http2.OutgoingHttpHeaders
  readonly body?: string | Buffer
  readonly endStream?: boolean
}

export function open(
  client: ClientHttp2Session,
  path: string,
  { method = 'GET', authority = 'shop.test', headers, endStream = false }: Asking2 = {},
): ClientHttp2Stream {
  const stream = client.request(
    {
      ':method': method,
      ':path': path,
      ':scheme': 'https',
      ...(authority === undefined ? {} : { ':authority': authority }),
      ...headers,
    },
    { endStream },
  )
  stream.on('error', () => {})
  return stream
}

export interface Told2 {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly trailers: http2.IncomingHttpHeaders | undefined
  readonly body: string
  /** With which the stream ended; 0 is well. */
  readonly code: number
}

/** One request to its end, however it ends; status 0 when there was no answer. */
export async function ask2(client: ClientHttp2Session, path: string, asking: Asking2 = {}): Promise<Told2> {
  const stream = open(client, path, { ...asking, endStream: asking.body === undefined })
  if (asking.body !== undefined) stream.end(asking.body)
  return told(stream)
}

export function told(stream: ClientHttp2Stream): Promise<Told2> {
  return new Promise(resolve => {
    let headers: http2.IncomingHttpHeaders = {}
    let trailers: http2.IncomingHttpHeaders | undefined
    const chunks: Buffer[] = []
    stream.on('response', head => {
      headers = head
    })
    stream.on('trailers', tail => {
      trailers = tail
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.once('close', () =>
      resolve({
        status: Number(headers[':status'] ?? 0),
        headers,
        trailers,
        body: Buffer.concat(chunks).toString('latin1'),
        code: stream.rstCode,
      }),
    )
  })
}
