import type { Socket } from 'node:net'

/** What a connection in HTTP/2 begins with (RFC 9113 3.4), where a client knows that it is spoken without TLS to agree on it (3.3). */
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** Whether these bytes, the first of a connection, are such a beginning or all of it. */
export function begins(bytes: Buffer): boolean {
  if (bytes[0] !== preface[0]) return false
  const length = Math.min(bytes.length, preface.length)
  return bytes.subarray(0, length).equals(preface.subarray(0, length))
}

/** Gives a connection on, with what has come of it: from here on it is read as a stream. */
export function giveOver(socket: Socket, came: Buffer, to: (socket: Socket) => void): void {
  socket.allowHalfOpen = false
  // What has come waits until somebody listens.
  socket.pause().unshift(came)
  to(socket)
  socket.resume()
}
