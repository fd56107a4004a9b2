import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'

import { decodeSmall, encodeSmall } from './frames.ts'

/** The app that takes bodies and echoes WebSockets: as little as does for the clients of this bench. Its port is its only word. */
function serve(port: number) {
  const server = createServer({ noDelay: true }, socket => {
    socket.on('error', () => socket.destroy())
    talk(socket)
  })
  server.listen({ port, host: '127.0.0.1', backlog: 4096 })
  process.on('SIGTERM', () => process.exit(0))
}

/** One request after another, each with all of its body read before the answer. Nobody here sends the next one earlier. */
function talk(socket: Socket) {
  let head = ''
  let left = 0
  const onData = (chunk: Buffer) => {
    if (left > 0) return take(chunk.length)
    head += chunk.toString('latin1')
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return
    const body = head.length - end - 4
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1]
    left = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
    head = ''
    if (key === undefined) return take(body)
    socket.off('data', onData)
    socket.write(accepting(key))
    echo(socket)
  }
  const take = (bytes: number) => {
    left -= bytes
    if (left === 0) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nthanks\n')
  }
  socket.on('data', onData)
}

/** RFC 6455, 4.2.2. */
function accepting(key: string): string {
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    '\r\n',
  ].join('\r\n')
}

function echo(socket: Socket) {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const { frames, left } = decodeSmall(rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk)
    rest = left
    for (const { opcode, payload } of frames) socket.write(encodeSmall(opcode, payload))
  })
}

serve(Number(process.argv[2]))
