import { Client, type Dispatcher, Pool } from 'undici'

import type { Upstream } from '../types.ts'
import type { Asked } from './asked.ts'
import { dial } from './dial.ts'
import { blame, brokenOf } from './fault.ts'
import { trailerFields, upstreamFields } from './fields.ts'
import type { Limits } from './limits.ts'
import type { Dress } from './site.ts'
import type { Trip } from './trip.ts'
import type { Visitor } from './visitor.ts'

/**
 * answered: the client has its answer, is gone, or its answer was cut · again: nothing is spent, another may be asked ·
 * unreachable, slow: nothing has been answered, and nothing more will be tried · large: nor has it, for the client sends too much.
 */
export type Outcome = 'answered' | 'again' | 'unreachable' | 'slow' | 'large'

export interface Carrying {
  readonly visitor: Visitor
  readonly asked: Asked
  readonly limits: Limits
  readonly trip: Trip
  /** Changes the answer's fields before they are sent. */
  readonly dress: Dress | undefined
  /** The client takes the answer more slowly than it comes. */
  readonly stalled: () => void
  readonly done: (outcome: Outcome) => void
}

/** Kept connections to one upstream, and requests over them. */
export interface Carry {
  /** `fresh`: on a new connection, not on a kept one. */
  send(carrying: Carrying, options: { fresh: boolean }): void
  close(): void
}

/**
 * A kept connection that nobody uses is closed after this long: under the 2 s of gunicorn's threads, the shortest of the usual servers,
 * so that a request hardly ever meets the other side's close.
 */
const keptMs = 1_500

export function openCarry(upstream: Upstream, limits: Limits): Carry {
  const origin = `http://${upstream.host.includes(':') ? `[${upstream.host}]` : upstream.host}:${upstream.port}`
  // An upstream is one app's: the limits of its last request are its own.
  let { connectMs } = limits
  const options = {
    connect: connector(upstream, () => connectMs),
    pipelining: 1,
    keepAliveTimeout: keptMs,
    keepAliveMaxTimeout: 60_000,
    maxHeaderSize: 32 * 1024,
    allowH2: false,
  }
  const pool = new Pool(origin, options as Pool.Options)
  return {
    send(carrying, { fresh }) {
      connectMs = carrying.limits.connectMs
      if (!fresh) return void pool.dispatch(requestOf(carrying), new Answer(carrying))
      const once = new Client(origin, options as Client.Options)
      const done = (outcome: Outcome) => {
        carrying.done(outcome)
        void once.destroy()
      }
      once.dispatch(requestOf(carrying), new Answer({ ...carrying, done }))
    },
    close: () => void pool.destroy(),
  }
}

type Connected = (error: Error | null, socket: unknown) => void

/** Of an error on it, the connection says whether it had been used before. */
function connector(upstream: Upstream, connectMs: () => number) {
  return (_options: unknown, connected: Connected): void => {
    let why = 'took no connection'
    const hear = (words: string) => {
      why = words
    }
    void dial(upstream, connectMs(), hear).then(socket => {
      if (!socket) return connected(new Unconnected(why), null)
      socket.removeAllListeners('error')
      socket.on('error', error => Object.assign(error, { bytesRead: socket.bytesRead }))
      connected(null, socket)
    })
  }
}

class Unconnected extends Error {}

/** More of a body than is taken. */
class TooMuch extends Error {}

function requestOf({ visitor, asked, limits }: Carrying): Dispatcher.DispatchOptions {
  return {
    method: visitor.method as Dispatcher.HttpMethod,
    path: asked.path,
    headers: asked.fields as string[],
    body: asked.body === 'none' ? null : (bodyOf(visitor, limits) as unknown as null),
    headersTimeout: limits.answerMs,
    bodyTimeout: limits.streamIdleMs,
  }
}

/** An answer may come before the body was read to its end: that must not end the client's connection. */
async function* bodyOf(visitor: Visitor, { bodyBytes }: Limits): AsyncGenerator<Buffer> {
  const chunks: AsyncIterable<Buffer> = visitor.body.iterator({ destroyOnReturn: false })
  for await (const chunk of chunks) {
    visitor.taken += chunk.length
    // Where its length is known, it has been looked at before.
    if (visitor.taken > bodyBytes) throw new TooMuch()
    yield chunk
  }
}

/** Passes one answer from the upstream to the client, at the client's pace. */
class Answer implements Dispatcher.DispatchHandler {
  private readonly to: Carrying
  private controller: Dispatcher.DispatchController | undefined
  /** Nothing more is heard from the upstream. */
  private over = false
  /** Something of an answer has arrived. */
  private touched = false
  private settled = false
  private flowing = false
  private resume: (() => void) | undefined

  constructor(to: Carrying) {
    this.to = to
    to.visitor.onClose(() => this.left())
  }

  /** The connection stands; nothing has been sent on it yet. */
  onRequestStart(controller: Dispatcher.DispatchController) {
    this.controller = controller
    const { visitor, asked, trip } = this.to
    if (visitor.closed) return controller.abort(new Unconnected())
    trip.connected()
    if (asked.expectsContinue) visitor.proceed()
  }

  onResponseStarted() {
    this.touched = true
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, reason = '') {
    const { visitor, asked, trip, dress } = this.to
    const raw = textOf(controller.rawHeaders as Buffer[])
    if (status < 200) {
      if (status === 103) visitor.hint(linksOf(raw))
      return
    }
    trip.answered()
    const fields = upstreamFields(raw)
    fields.push('X-Request-Id', asked.id)
    try {
      // An announcement is taken at its word: where there is none, none are waited for.
      const trailers = raw.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'trailer')
      visitor.begin(status, reason, dress ? dress(status, fields, asked) : fields, { trailers })
    } catch {
      blame(trip, 'gave an answer that cannot be passed on')
      this.giveUp('unreachable')
      return
    }
    // A stream of events sends its head long before its first event.
    process.nextTick(() => this.flowing || this.over || visitor.closed || visitor.flush())
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    const { visitor } = this.to
    this.flowing = true
    visitor.bytes += chunk.length
    if (visitor.out.write(chunk)) return
    controller.pause()
    if (!this.resume) {
      this.to.stalled()
      this.resume = () => this.controller?.resume()
    }
    visitor.out.once('drain', this.resume)
  }

  onResponseEnd(controller: Dispatcher.DispatchController) {
    const { visitor } = this.to
    this.over = true
    const trailers = controller.rawTrailers as Buffer[] | null
    if (trailers && trailers.length > 0) visitor.endWith(trailerFields(textOf(trailers)))
    else visitor.out.end()
  }

  onResponseError(_: unknown, error: Error & { code?: string; bytesRead?: number }) {
    const { visitor, asked, trip, limits } = this.to
    if (this.over) return
    if (error instanceof Unconnected) blame(trip, error.message)
    else if (!(error instanceof TooMuch)) blame(trip, brokenOf(error, visitor, limits))
    if (visitor.begun) {
      this.over = true
      trip.lost ||= !visitor.closed
      visitor.cut()
      return
    }
    if (visitor.closed) return this.giveUp('answered')
    if (!this.controller) return this.giveUp('again')
    if (error instanceof TooMuch) return this.giveUp('large')
    if (error.code === 'UND_ERR_HEADERS_TIMEOUT') return this.giveUp('slow')
    const unspent = !this.touched && wasKept(error) && asked.body === 'none' && asked.idempotent
    this.giveUp(unspent ? 'again' : 'unreachable')
  }

  /** The client has its answer, or has left early: either way nobody waits for the upstream any more. */
  private left() {
    if (!this.over) {
      this.over = true
      this.controller?.abort(new Unconnected())
    }
    this.settle('answered')
  }

  /** Ends this attempt; whoever made it answers the client. */
  private giveUp(outcome: Outcome) {
    if (this.over) return
    this.over = true
    this.controller?.abort(new Unconnected())
    this.settle(outcome)
  }

  private settle(outcome: Outcome) {
    if (this.settled) return
    this.settled = true
    this.to.done(outcome)
  }
}

/** The other side closed a connection that had served before. */
function wasKept(
  error: Error & { code?: string; bytesRead?: number; socket?: { bytesRead?: number } },
): boolean {
  const read = error.bytesRead ?? error.socket?.bytesRead ?? 0
  return read > 0 && ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(error.code ?? '')
}

function textOf(raw: readonly Buffer[]): string[] {
  return raw.map(each => each.toString('latin1'))
}

function linksOf(raw: readonly string[]): string[] {
  return raw.filter((_, at) => at % 2 === 1 && raw[at - 1]!.toLowerCase() === 'link')
}
