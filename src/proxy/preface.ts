import type { Socket } from 'node:net'

/** What a connection in HTTP/2 begins with (RFC 9113 3.4). */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** What Node's parser of HTTP/1.1 says when it has read just that. */
export interface ParserError extends Error {
  readonly code?: string
  readonly bytesParsed?: number
  readonly rawPacket?: Buffer
}

/**
 * A client may know that HTTP/2 is spoken where there is no TLS to agree on it (RFC 9113 3.3). Node's server of HTTP/1.1 has read its first
 * words then: this gives the connection back as it came. False when it is something else.
 */
export function takeBack(socket: Socket, error: ParserError): boolean {
  if (error.code !== 'HPE_PAUSED_H2_UPGRADE' || !error.rawPacket) return false
  // The words before it are known, wherever they were cut.
  const parsed = error.bytesParsed ?? preface.length
  const came = Buffer.concat([preface.subarray(0, preface.length - parsed), error.rawPacket])
  // Who listens for data takes the socket from the parser.
  const nobody = () => undefined
  socket.on('data', nobody).off('data', nobody)
  // Nobody has that data yet. Before this, a pause would have the kernel's read stopped too, for good.
  socket.pause()
  for (const event of ['data', 'end', 'drain', 'error', 'timeout', 'close']) {
    for (const listener of socket.listeners(event)) {
      if (!nodes.test(listener.name)) continue
      // What Node's server does when a connection is over is what is due now.
      if (event === 'close') listener.call(socket)
      socket.off(event, listener as () => void)
    }
  }
  socket.setTimeout(0)
  socket.allowHalfOpen = false
  socket.unshift(came)
  return true
}

/** Listeners of Node's own server. */
const nodes = /^(bound )?socketOn(Data|End|Drain|Error|Timeout|Close)$/
