import type { Duplex, Readable } from 'node:stream'

/** The engine's HTTP API as this room uses it. docker/dockerode.ts makes it; see https://docs.docker.com/reference/api/engine/. */
export interface Api {
  /** Reads a whole JSON answer; undefined when there is none. Idempotent calls are tried once more on a dropped connection. */
  ask<T = undefined>(method: 'GET' | 'POST' | 'DELETE', path: string, options?: AskOptions): Promise<T>
  /** An answer that is read as it comes. Aborting destroys it. */
  stream(method: 'GET' | 'POST', path: string, options: StreamOptions): Promise<Readable>
  /** A connection that has become a two-way pipe. Aborting before that rejects; afterwards it is the caller's. */
  hijack(path: string, options: StreamOptions): Promise<Duplex>
}

export interface StreamOptions {
  readonly query?: Query
  readonly body?: object
  /** Sent as the request's body instead of JSON. */
  readonly file?: Readable
  readonly signal: AbortSignal
}

export interface AskOptions extends Partial<StreamOptions> {
  /** How long the engine may take to answer; two minutes unless told. */
  readonly seconds?: number
  readonly idempotent?: true
}

/** Objects are sent as JSON. */
export type Query = Readonly<Record<string, string | number | boolean | object | undefined>>

/** The engine answered, and said no. */
export class EngineError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'EngineError'
    this.status = status
  }
}

/** Whether the engine answered with one of these statuses. */
export function answered(error: unknown, ...statuses: number[]): error is EngineError {
  return error instanceof EngineError && statuses.includes(error.status)
}

/**
 * Puts names into a path. The engine redirects paths with empty or dotted segments to other resources,
 * so that such a name is answered here as what it is: nothing that exists.
 */
export function path(parts: TemplateStringsArray, ...names: string[]): string {
  return parts.reduce((whole, part, at) => whole + segment(names[at - 1]!) + part)
}

function segment(name: string): string {
  if (name.split('/').some(each => ['', '.', '..'].includes(each))) {
    throw new EngineError(404, `No such name: ${name}`)
  }
  return encodeURIComponent(name)
}

/** The connection broke: the engine went, or the request met it going. */
export function dropped(error: unknown): boolean {
  const { code } = error as { code?: string }
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code ?? '')
}
