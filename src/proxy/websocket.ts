import type { ClientRequest, IncomingMessage } from 'node:http'
import net, { type Socket } from 'node:net'

import type { Upstream } from '../types.ts'
import { passAnswer } from './answer.ts'
import type { Asked } from './asked.ts'
import { bareResponse } from './bare.ts'
import { grouped, upstreamFields } from './fields.ts'
import type { Outcome } from './forward.ts'
import type { Limits } from './limits.ts'

interface Coupled {
  readonly req: IncomingMessage
  readonly socket: Socket
  readonly connection: Socket
  readonly asked: Asked
  readonly limits: Limits
  readonly resolve: (outcome: Outcome) => void
}

/** Undefined when there is no connection in time. */
export function dial({ host, port }: Upstream, timeoutMs: number): Promise<Socket | undefined> {
  return new Promise(resolve => {
    const connection = net.connect({ host, port, noDelay: true })
    const late = setTimeout(() => connection.destroy(), timeoutMs)
    connection.on('error', () => undefined)
    connection.once('connect', () => resolve(connection))
    connection.once('close', () => resolve(undefined))
    connection.once('connect', () => clearTimeout(late))
    connection.once('close', () => clearTimeout(late))
  })
}

/** An agent of one connection. */
export function carrier(connection: Socket): unknown {
  return {
    addRequest: (outgoing: ClientRequest & { onSocket: (socket: Socket) => void }) =>
      outgoing.onSocket(connection),
  }
}

/** http-proxy's own ways with errors and with answers other than 101 break framing: only its pump is kept. */
export function couple(
  outgoing: ClientRequest,
  { req, socket, connection, asked, limits, resolve }: Coupled,
) {
  const [pump] = outgoing.listeners('upgrade') as ((...answer: [IncomingMessage, Socket, Buffer]) => void)[]
  for (const event of ['error', 'response', 'upgrade']) outgoing.removeAllListeners(event)

  const gone = () => {
    connection.destroySoon()
    resolve('answered')
  }
  const giveUp = (outcome: Outcome) => {
    socket.off('close', gone)
    outgoing.destroy()
    resolve(socket.destroyed ? 'answered' : outcome)
  }
  outgoing.setTimeout(limits.answerMs, () => giveUp('slow'))
  outgoing.on('error', () => giveUp('unreachable'))
  outgoing.once('response', answer => {
    outgoing.setTimeout(limits.streamIdleMs)
    if (!passAnswer(answer, { res: bareResponse(req, socket), id: asked.id })) socket.destroy()
  })
  outgoing.once('upgrade', (answer, _same, head) => {
    if (answer.headers.upgrade?.trim().toLowerCase() !== 'websocket') return giveUp('unreachable')
    answer.headers = switchFields(answer, asked.id)
    connection.once('close', () => socket.destroySoon())
    pump!(answer, connection, head)
    for (const end of [socket, connection]) end.setKeepAlive(true, 60_000)
  })
  socket.once('close', gone)
  if (socket.destroyed) gone()
}

/** What http-proxy will write as the head of the 101. */
function switchFields(answer: IncomingMessage, id: string): IncomingMessage['headers'] {
  const fields = Object.fromEntries(grouped(upstreamFields(answer.rawHeaders)))
  const own = { connection: 'Upgrade', upgrade: 'websocket', 'x-request-id': id }
  return Object.assign(Object.create(null), fields, own)
}
