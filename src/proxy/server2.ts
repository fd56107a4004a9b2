import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

import { openPatience } from './patience.ts'
import { type Parts, serve } from './serve.ts'
import { peerOf } from './visitor.ts'
import { Visitor2 } from './visitor2.ts'

/** Speaks HTTP/2 on connections that have agreed on it, and hands each stream on. */
export interface Server2 {
  take(socket: Socket): void
  /** Tells clients to go on elsewhere, finishes the streams there are, and settles when the last connection has closed. */
  end(): Promise<void>
}

/** At once on one connection: it stands for so many of HTTP/1.1. */
const streams = 128

const options: http2.ServerOptions = {
  settings: {
    maxConcurrentStreams: streams,
    // What a client may send ahead of the app, per stream: enough for a fast upload over a long way.
    initialWindowSize: 256 * 1024,
    // As in HTTP/1.1. Node resets a stream whose head is longer.
    maxHeaderListSize: 32 * 1024,
    enablePush: false,
  },
  maxHeaderListPairs: 256,
  // What an app says twice is passed on twice, as in HTTP/1.1.
  strictSingleValueFields: false,
  maxSessionMemory: 16,
  maxSettings: 16,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  streamResetBurst: 500,
  streamResetRate: 50,
}

/** Of a connection: its streams together send so much ahead. */
const connectionWindow = 1024 * 1024

/** On plain connections of clients that know it is spoken, or over TLS. */
export function makeServer2(parts: Parts, scheme: 'http' | 'https' = 'https'): Server2 {
  const sessions = new Set<ServerHttp2Session>()

  function take(socket: Socket) {
    const session = http2.performServerHandshake(socket, options)
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    attend(session, { socket, parts, scheme })
    session.setLocalWindowSize(connectionWindow)
  }

  return {
    take(socket) {
      socket.on('error', () => socket.destroy())
      try {
        take(socket)
      } catch (error) {
        parts.report(error)
        socket.destroy()
      }
    },
    async end() {
      const closed = [...sessions].map(session => new Promise(resolve => session.once('close', resolve)))
      for (const session of sessions) session.close()
      await Promise.all(closed)
    },
  }
}

interface Attending {
  readonly socket: Socket
  readonly parts: Parts
  readonly scheme: 'http' | 'https'
}

function attend(session: ServerHttp2Session, { socket, parts, scheme }: Attending) {
  const { keepAliveMs, streamIdleMs, requestsPerConnection } = parts.limits
  const peer = peerOf(socket)
  const patience = openPatience()
  const spend = (on: Parameters<typeof patience>[0]) => {
    if (!patience(on)) session.destroy(new Error('a flood'), http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
  let open = 0
  let served = 0

  // Whatever it is, it is the client's doing; the connection ends with it.
  session.on('error', () => undefined)
  session.on('remoteSettings', () => spend('settings'))
  session.on('ping', () => spend('ping'))
  session.setTimeout(keepAliveMs)
  session.on('timeout', () => {
    if (open > 0) return session.setTimeout(keepAliveMs)
    session.close()
    // A client that is told to go may not stay by doing nothing.
    setTimeout(() => socket.destroy(), lastWordMs).unref()
  })
  session.on('stream', (stream: ServerHttp2Stream, _head, _flags, raw: unknown) => {
    stream.on('error', forget)
    // A client may have left before we hear of it.
    if (stream.closed || stream.destroyed) return spend('reset')
    open++
    stream.on('close', () => {
      open--
      if (stream.aborted) spend('reset')
    })
    // Given with the time, it would be wrapped for each stream.
    stream.on('timeout', giveUp)
    stream.setTimeout(streamIdleMs)
    if (++served >= requestsPerConnection * streams) session.close()
    try {
      serve(new Visitor2(stream, raw as string[], peer, scheme), parts)
    } catch (error) {
      parts.report(error)
      stream.destroy(new Error('a bug'))
    }
  })
}

const forget = () => undefined

function giveUp(this: ServerHttp2Stream): void {
  this.destroy(new Error('it is quiet'))
}

const lastWordMs = 5_000
