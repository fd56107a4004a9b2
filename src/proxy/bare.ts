import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A properly framed answer on a socket that Node's server has handed out (upgrade, connect). It is the connection's last. */
export function bareResponse(req: IncomingMessage, socket: Socket): ServerResponse {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  res.assignSocket(socket)
  socket.on('drain', () => res.emit('drain'))
  res.once('finish', () => socket.destroySoon())
  return res
}
