import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/** One request and the way to answer it, whichever version of HTTP it came in. */
export interface Visitor {
  readonly version: '1.0' | '1.1' | '2.0' | 'unknown'
  readonly scheme: 'http' | 'https'
  /** `TLSv1.3`, where there is TLS. */
  readonly tls: string | undefined
  readonly method: string
  /** The request target as it came: in origin, absolute or asterisk form; `:path` of HTTP/2. */
  readonly target: string
  /** `:authority` of HTTP/2. */
  readonly authority: string | undefined
  /** Fields in the order and spelling they came in, flat: [name, value, name, value…]; without pseudo-fields. */
  readonly fields: readonly string[]
  readonly peer: Peer
  /** Of the connection that it came over, or of its stream where it shares the connection. */
  readonly flow: Flow
  readonly body: Incoming
  /** Bytes of the body, counted by whoever reads it. */
  taken: number
  /** The request has arrived whole. */
  readonly received: boolean
  /** Known once the body has ended. */
  readonly trailers: readonly string[]
  /** The answer's body goes here after `begin`. */
  readonly out: Writable
  /** Bytes of it that may wait for the client; then whoever says it waits too. */
  readonly ahead: number
  readonly begun: boolean
  /** Of the answer; 0 before `begin`. */
  readonly status: number
  /** Of the answer's body, counted by whoever writes it. */
  bytes: number
  /** Answered in full, or nobody is there any more. */
  readonly closed: boolean
  /** Tells the client to send its body: 100 Continue. */
  proceed(): void
  /** 103 Early Hints (RFC 8297) with these links. */
  hint(links: readonly string[]): void
  /** How long it may be quiet, ms. Of this request only. */
  patience(ms: number): void
  /** Sends the head of the answer. Throws when it cannot be said in HTTP, with nothing sent. */
  begin(status: number, reason: string, fields: readonly string[], options?: BeginOptions): void
  /** Sends the head now, before there is anything of the body. */
  flush(): void
  /** Ends the answer with its whole body. True: some of it still waits, in the memory that it came in. */
  endWhole(body: Buffer): boolean
  /** Whoever gave the last of the answer is through with it, where that has to be known. */
  settle?(): void
  /** Ends the answer with trailers after its body. */
  endWith(trailers: readonly string[]): void
  /** Breaks the answer off so that the client sees that it is not whole. `cancelled`: the app has called it off. */
  cut(options?: { cancelled: boolean }): void
  /** What was wrong with the request's body, so that it was refused. */
  readonly fault?: string | undefined
  /** Heard once: when the answer is whole, or the client is gone. */
  onClose(listener: () => void): void
}

/** A body on its way in, as much of a stream as is needed of one: `data`, then `end`; `close` or `error` where it is cut off. */
export interface Incoming extends EventEmitter {
  pause(): unknown
  /** Nothing comes before. */
  resume(): unknown
  /** Whoever takes it wants no more for a while. */
  isPaused(): boolean
  /** Bytes that wait to be taken. */
  readonly readableLength: number
  readonly readableEnded: boolean
  /** Set by who takes the bytes and may still need their memory afterwards: true while that is so. It pauses then. */
  owes?: (() => boolean) | undefined
}

export interface BeginOptions {
  /** Nothing follows its head: that says so itself, where the version of HTTP can. */
  readonly whole?: boolean
  /** The fields are as a strict parser read them: nothing in them need be looked at again. */
  readonly clean?: boolean
  /** Nothing more is read from this connection. */
  readonly last?: boolean
}

/** Bytes that have come, and those that were given to be sent, of which some may still wait. */
export interface Flow {
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly writableLength: number
}

/** Who is at the other end of the connection. */
export interface Peer {
  readonly address: string
  readonly port: number
  /** The port that was connected to. */
  readonly localPort: number
  /** `TLSv1.3`, where there is TLS. */
  readonly tls: string | undefined
}

export function peerOf(socket: Socket): Peer {
  return {
    address: (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, ''),
    port: socket.remotePort ?? 0,
    localPort: socket.localPort ?? 0,
    tls: (socket as Partial<TLSSocket>).getProtocol?.() ?? undefined,
  }
}
