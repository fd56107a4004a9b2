import { once } from 'node:events'
import http2, { type Http2Session, type ServerHttp2Stream } from 'node:http2'
import net, { type AddressInfo } from 'node:net'

import * as grpc from '@grpc/grpc-js'
import type { Test } from 'tap'

import type { Route, Upstream } from '../../src/types.ts'
import { routeTo } from './stage.ts'

/** A service of gRPC in all four ways of streaming; messages are bytes as they are. */
const bytes = (value: Buffer) => value
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/davit.Echo/${name}`,
  ...{ requestStream, responseStream },
  ...{
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
})

export const echo = {
  Once: method('Once', false, false),
  Gather: method('Gather', true, false),
  Scatter: method('Scatter', false, true),
  Chat: method('Chat', true, true),
}

export const Client = grpc.makeGenericClientConstructor(echo, 'davit.Echo')

/** A real server of gRPC. */
export async function grpcBackend(t: Test, service: Partial<grpc.UntypedServiceImplementation>) {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 })
  server.addService(echo, service as grpc.UntypedServiceImplementation)
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  t.teardown(() => server.forceShutdown())
  return { server, host: '127.0.0.1', port }
}

/** An app that takes up nothing that comes over its first connection, and says so: GOAWAY after stream 0 (RFC 9113 6.8). */
export async function leavingBackend(t: Test, next: { readonly server: http2.Http2Server }) {
  let connections = 0
  const server = net.createServer(socket => {
    if (++connections > 1) return void next.server.emit('connection', socket)
    socket.on('error', () => undefined)
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    let heard = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk])
      // A head's frame, of type 1 and on stream 1.
      if (heard.indexOf(Buffer.from([1, 4, 0, 0, 0, 1])) === -1) return
      socket.end(Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

/** An app that says nothing but its settings, and hears everything: kind and flags of each frame on stream 1. */
export async function listeningBackend2(t: Test) {
  const frames: { kind: number; flags: number }[] = []
  const server = net.createServer(socket => {
    socket.on('error', () => undefined)
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    let heard = Buffer.alloc(0)
    let at = 24
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk])
      for (; heard.length >= at + 9 + lengthAt(heard, at); at += 9 + lengthAt(heard, at)) {
        if (heard[at + 8] === 1) frames.push({ kind: heard[at + 3]!, flags: heard[at + 4]! })
      }
    })
    t.teardown(() => void socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  return { frames, host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

function lengthAt(heard: Buffer, at: number): number {
  return heard.length < at + 3 ? 0 : heard.readUIntBE(at, 3)
}

/** An app in HTTP/2 without TLS, of single streams. */
export async function bareBackend2(
  t: Test,
  speak: (stream: ServerHttp2Stream) => void,
  maxConcurrentStreams = 100,
) {
  const sessions = new Set<Http2Session>()
  const server = http2.createServer({ settings: { maxConcurrentStreams } })
  server.on('session', session => {
    sessions.add(session)
    session.on('error', () => undefined)
    session.once('close', () => sessions.delete(session))
  })
  server.on('stream', stream => {
    stream.on('error', () => undefined)
    speak(stream as ServerHttp2Stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { sessions, server, host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

export function grpcRoute(...upstreams: Upstream[]): Route {
  return { ...routeTo(...upstreams), protocol: 'grpc' }
}

export interface Called {
  readonly code: grpc.status
  readonly details: string
  readonly messages: readonly Buffer[]
  readonly metadata: grpc.Metadata | undefined
  readonly trailers: grpc.Metadata | undefined
}

type Call = Partial<grpc.ClientDuplexStream<Buffer, Buffer>> & grpc.ClientReadableStream<Buffer>

/** A call with answers in a stream, to its end. */
export async function heard(call: Call): Promise<Called> {
  const messages: Buffer[] = []
  let metadata: grpc.Metadata | undefined
  call.on('metadata', said => {
    metadata = said
  })
  call.on('data', message => messages.push(message))
  call.on('error', () => undefined)
  // An error is a status too.
  const status = await new Promise<grpc.StatusObject>(resolve => call.once('status', resolve))
  return { code: status.code, details: status.details, messages, metadata, trailers: status.metadata }
}

interface Asking {
  readonly metadata?: grpc.Metadata
  readonly deadlineMs?: number
}

/** A call with one answer. */
export function asked(
  client: InstanceType<typeof Client>,
  name: 'Once',
  message: Buffer,
  { metadata = new grpc.Metadata(), deadlineMs }: Asking = {},
): Promise<Called> {
  return new Promise(resolve => {
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs }
    const messages: Buffer[] = []
    let first: grpc.Metadata | undefined
    const call = client[name]!(message, metadata, options, (_error: unknown, answer?: Buffer) => {
      if (answer) messages.push(answer)
    })
    call.on('metadata', (said: grpc.Metadata) => {
      first = said
    })
    call.on('status', ({ code, details, metadata: trailers }: grpc.StatusObject) =>
      setImmediate(() => resolve({ code, details, messages, metadata: first, trailers })),
    )
  })
}
