import { connect } from 'node:http2'

import type { Container } from '../types.ts'

/** Long enough for its first words, which a server says at once. */
const patienceMs = 1_000

/** Whether the container speaks HTTP/2 without TLS, as servers of gRPC do: its first words are its settings (RFC 9113 3.4). */
export function speaksHttp2({ address, port }: Container): Promise<boolean> {
  return new Promise(resolve => {
    const session = connect(`http://${address}:${port}`)
    const late = setTimeout(() => session.destroy(), patienceMs)
    const tell = (speaks: boolean) => {
      clearTimeout(late)
      resolve(speaks)
      session.destroy()
    }
    session.on('error', () => tell(false))
    session.once('close', () => tell(false))
    session.once('remoteSettings', () => tell(true))
  })
}
