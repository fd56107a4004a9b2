import type { Writable } from 'node:stream'

import type { Asked } from './asked.ts'
import type { Carrying, Outcome } from './carry.ts'
import { behind, isCodable } from './compress.ts'
import type { Connection, Exchange } from './connection.ts'
import { blame } from './fault.ts'
import { answerFields, trailerFields } from './fields.ts'
import { Reply, type ReplyHead } from './reply.ts'
import { type Sending, sendBody } from './send.ts'
import type { Visitor } from './visitor.ts'

/** One request on one connection: what it says, and its answer passed to the client at the client's pace. */
export class Answer implements Exchange {
  readonly reply: Reply
  private readonly to: Carrying
  /** The one who is answered: once the head is known perhaps one whose answers become smaller. */
  private visitor: Visitor
  private readonly connection: Connection
  private readonly sending: Sending | undefined
  private settled = false
  /** All of the answer has been given to the client's side. */
  private said = false
  /** Length of the answer's body, where it is said. */
  private whole: number | undefined
  private flowing = false
  /** Pieces of the body that have come at once are gathered, and go in one write to the kernel. */
  private gathering: Writable | undefined
  /** The client has all that came before, so that these need not be copied. */
  private lends = false
  private resume: (() => void) | undefined
  private held = false

  constructor(to: Carrying, connection: Connection) {
    this.to = to
    this.visitor = to.visitor
    this.connection = connection
    const { visitor, asked, trip, limits } = to
    this.reply = new Reply(visitor.method, this)
    trip.carrier = this
    visitor.onClose(() => this.left())
    connection.write(headOf(visitor, asked))
    connection.deadline = trip.connected() + limits.answerMs
    if (asked.body === 'none') return
    if (asked.expectsContinue) visitor.proceed()
    this.sending = sendBody(visitor, asked, connection.socket, {
      most: limits.bodyBytes,
      moved: () => this.moved(limits.answerMs),
      tooMuch: () => (visitor.begun ? this.visitor.cut() : this.giveUp('large')),
      broken: () => this.connection.close(),
    })
  }

  onArrival() {
    this.gathering = undefined
  }

  onPassed(): boolean {
    const out = this.gathering
    if (out === undefined) {
      if (this.said) this.visitor.settle?.()
      return this.said && this.lends
    }
    if (!out.writableEnded) out.uncork()
    this.wait()
    return this.lends && out.writableLength > 0
  }

  onInterim({ status, fields }: ReplyHead) {
    if (status === 103) this.to.visitor.hint(linksOf(fields))
  }

  onHead({ status, reason, fields: raw }: ReplyHead) {
    const { asked, trip, dress, compress, limits } = this.to
    const now = trip.answered()
    const { fields, length } = answerFields(raw)
    fields.push('X-Request-Id', asked.id)
    this.whole = length
    try {
      const all = dress ? dress(status, fields, asked) : fields
      const visitor = compress && isCodable(status, all, length) ? compress(this.visitor) : this.visitor
      visitor.begin(status, reason, all, { clean: dress === undefined })
      this.visitor = behind(visitor)
    } catch {
      blame(trip, 'gave an answer that cannot be passed on')
      return this.giveUp('unreachable')
    }
    this.connection.deadline = now + limits.streamIdleMs
    // A stream of events sends its head long before its first event.
    if (length === undefined) process.nextTick(() => this.flowing || this.settled || this.visitor.flush())
  }

  onBody(chunk: Buffer, own = false) {
    const { visitor } = this
    const { limits } = this.to
    if (this.settled) return
    visitor.bytes += chunk.length
    // Most answers come in one piece: they go in one piece.
    if (!this.flowing && chunk.length === this.whole) {
      this.flowing = true
      this.said = true
      this.lends = visitor.endWhole(chunk)
      return this.leave()
    }
    this.flowing = true
    const { out } = visitor
    if (this.gathering === undefined) {
      this.gathering = out
      this.lends = out.writableLength === 0
      out.cork()
    }
    // Of what waits, a copy does: the memory that it came in may be far larger.
    out.write(this.lends || own ? chunk : Buffer.from(chunk))
    this.connection.deadline = performance.now() + limits.streamIdleMs
  }

  /** Where the client is slower than the upstream, that waits too. */
  private wait() {
    const { visitor } = this
    const { limits } = this.to
    // A stream says no to every large piece, though the kernel has taken it already.
    if (this.settled || visitor.out.writableLength < visitor.ahead) return
    // What had come already is still read to its end.
    if (this.held) return
    this.held = true
    // Now the client is what is waited for.
    this.connection.deadline = Number.POSITIVE_INFINITY
    this.connection.socket.pause()
    if (!this.resume) {
      this.to.stalled()
      this.resume = () => {
        this.held = false
        // The connection may be another request's by now.
        if (this.settled) return
        this.connection.deadline = performance.now() + limits.streamIdleMs
        this.connection.socket.resume()
      }
    }
    visitor.out.once('drain', this.resume)
  }

  onEnd(trailers: readonly string[]) {
    const { visitor } = this
    if (this.settled) return
    this.flowing = true
    // An answer before the end of the body: what is left of it, nobody wants.
    const early = this.sending?.stop() ?? false
    this.release({ keep: !early })
    if (trailers.length > 0) visitor.endWith(trailerFields(trailers))
    else if (!this.said) visitor.out.end()
    if (!this.said) this.leave()
  }

  /** It has all been said: what the client has not taken of it, it may not take for ever. */
  private leave() {
    const { visitor } = this.to
    // What is made smaller comes out later.
    const waits = visitor !== this.visitor || visitor.flow.writableLength > 0
    if (waits && !visitor.closed) this.to.stalled()
  }

  /** The connection has ended before the answer was whole, or said something that is no answer. */
  onBroken(why: string, untouched: boolean) {
    const { visitor } = this
    const { asked, trip } = this.to
    if (this.settled) return
    blame(trip, why.startsWith('gave') ? why : `${why} ${visitor.begun ? inside : before}`)
    if (visitor.begun) {
      trip.lost ||= !visitor.closed
      visitor.cut()
      return
    }
    const unspent = untouched && asked.body === 'none' && asked.idempotent
    this.giveUp(visitor.closed ? 'answered' : unspent ? 'again' : 'unreachable')
  }

  onLate() {
    const { visitor } = this
    const { trip, limits } = this.to
    if (!visitor.begun) {
      blame(trip, `gave no answer in ${limits.answerMs / 1000} s`)
      return this.giveUp('slow')
    }
    blame(trip, `was silent for ${limits.streamIdleMs / 1000} s ${inside}`)
    trip.lost ||= !visitor.closed
    visitor.cut()
  }

  private moved(answerMs: number) {
    if (!this.to.visitor.begun) this.connection.deadline = performance.now() + answerMs
  }

  /** The client has its answer, or has left early: either way nobody waits for the upstream any more. */
  private left() {
    this.giveUp('answered')
  }

  /** Ends this attempt; whoever made it answers the client. */
  private giveUp(outcome: Outcome) {
    if (this.settled) {
      this.over(outcome)
      return
    }
    this.sending?.stop()
    this.release({ keep: false })
    this.over(outcome)
  }

  private release({ keep }: { keep: boolean }) {
    this.settled = true
    this.connection.release({ keep })
  }

  private isOver = false
  /** Told once: of an answer that has come whole, when the client has it too. */
  private over(outcome: Outcome) {
    if (this.isOver) return
    this.isOver = true
    this.to.done(outcome)
  }
}

const before = 'before its answer'
const inside = 'in the middle of its answer'

/** As HTTP/1.1 (RFC 9112 3). Whatever is in it has been read by a strict parser. */
function headOf({ method }: Visitor, { path, lines, body }: Asked): string {
  const coding = body === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : ''
  return `${method} ${path} HTTP/1.1\r\n${lines}${coding}Connection: keep-alive\r\n\r\n`
}

function linksOf(raw: readonly string[]): string[] {
  return raw.filter((_, at) => at % 2 === 1 && raw[at - 1]!.toLowerCase() === 'link')
}
