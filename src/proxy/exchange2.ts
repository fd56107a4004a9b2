import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from 'node:http2'

import type { Asked } from './asked.ts'
import { cancelled } from './cancelled.ts'
import type { Carrying, Outcome } from './carry.ts'
import { isCodable } from './compress.ts'
import { blame } from './fault.ts'
import { fieldsIn } from './field-lines.ts'
import { answerFields, takesTrailers, trailerFields, valuesOf } from './fields.ts'
import { breakOff, callStatusOf, isCall, resetCall, silenceOf } from './grpc.ts'
import type { Line } from './line2.ts'
import { type Kept, keepBody, type Sending2, sendBody2 } from './send2.ts'
import type { Visitor } from './visitor.ts'

/** Bytes of an answer that wait for the client; then the upstream waits too. */
const heldMost = 64 * 1024

/** One request as a stream of an HTTP/2 connection, and its answer passed to the client at the client's pace. */
export class Answer2 {
  private readonly to: Carrying
  /** Once its answer has begun, the one that is made smaller on its way, where it is. */
  private visitor: Visitor
  private readonly line: Line
  private readonly stream: ClientHttp2Stream
  private readonly sending: Sending2 | undefined
  private readonly kept: Kept
  private readonly silenceMs: number
  private trailers: readonly string[] = []
  private settled = false
  private said = false
  private stalled = false

  constructor(to: Carrying, line: Line) {
    const { visitor, asked, trip, limits } = to
    this.to = to
    this.visitor = to.visitor
    this.line = line
    this.kept = to.kept ?? keepBody()
    const call = isCall(visitor)
    this.silenceMs = call ? silenceOf(visitor, limits) : limits.streamIdleMs
    trip.connected()
    visitor.onClose(() => this.left())
    const sends = asked.body !== 'none'
    const waitForTrailers = sends && valuesOf(visitor.fields, 'trailer').length > 0
    this.stream = line.open(headOf(visitor, asked), { endStream: !sends, waitForTrailers })
    this.listen(call ? this.silenceMs : limits.answerMs)
    // Who was silent is told by the side where it can be said in words.
    if (call) visitor.patience(this.silenceMs + 1_000)
    if (!sends) return
    if (asked.expectsContinue) visitor.proceed()
    this.sending = sendBody2(visitor, asked, this.stream, {
      kept: this.kept,
      most: limits.bodyBytes,
      tooMuch: () => (visitor.begun ? this.visitor.cut() : this.giveUp('large')),
      broken: () => this.giveUp('answered'),
    })
  }

  private listen(firstMs: number) {
    const { stream } = this
    stream.on('error', () => undefined)
    stream.on('headers', (_head, _flags, raw: unknown) => this.onInterim(raw as string[]))
    stream.on('response', (_head, flags, raw: unknown) => this.onHead(raw as string[], flags))
    stream.on('data', (chunk: Buffer) => this.onBody(chunk))
    stream.on('trailers', (_head, _flags, raw: unknown) => {
      this.trailers = raw as string[]
    })
    stream.on('end', () => this.onEnd())
    stream.on('close', () => this.onClose())
    stream.setTimeout(firstMs, () => this.onLate(firstMs))
  }

  private onInterim(raw: readonly string[]) {
    if (statusOf(raw) === 103) this.to.visitor.hint(linksOf(raw))
  }

  private onHead(raw: readonly string[], flags: number) {
    const { asked, trip, dress, compress } = this.to
    if (this.settled) return
    trip.answered()
    this.kept.chunks = undefined
    const status = statusOf(raw)
    const { fields } = answerFields(withoutPseudo(raw))
    trip.callStatus = callStatusOf(fields)
    fields.push('X-Request-Id', asked.id)
    const whole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    try {
      const all = dress ? dress(status, fields, asked) : fields
      if (compress && !whole && isCodable(status, all)) this.visitor = compress(this.visitor)
      this.visitor.begin(status, '', all, { whole })
    } catch {
      blame(trip, 'gave an answer that cannot be passed on')
      return this.giveUp('unreachable')
    }
    this.visitor.flush()
    this.stream.setTimeout(this.silenceMs, () => this.onLate(this.silenceMs))
  }

  private onBody(chunk: Buffer) {
    const { visitor } = this
    if (this.settled) return
    visitor.bytes += chunk.length
    const { out } = visitor
    if (out.write(chunk) || out.writableLength < heldMost || this.stalled) return
    this.stalled = true
    this.stream.pause()
    this.to.stalled()
    out.once('drain', () => {
      this.stalled = false
      if (!this.settled) this.stream.resume()
    })
  }

  private onEnd() {
    const { visitor } = this
    // A stream that was reset comes to an end too; its close tells.
    if (this.settled || this.stream.rstCode !== constants.NGHTTP2_NO_ERROR || !visitor.begun) return
    this.settled = true
    this.sending?.stop()
    this.to.trip.callStatus ??= callStatusOf(this.trailers)
    if (this.trailers.length > 0) visitor.endWith(trailerFields(this.trailers))
    else if (!visitor.out.writableEnded) visitor.out.end()
    // An answer before the end of the body: what is left of it, nobody wants.
    if (!this.stream.writableFinished) this.stream.destroy(cancelled)
  }

  /** The stream is over: reset, or with its connection. */
  private onClose() {
    this.line.over()
    if (this.settled) return
    const { asked, trip } = this.to
    const { visitor } = this
    const { rstCode } = this.stream
    const lost = this.line.lost
    const refused = this.line.refuses(this.stream)
    const when = visitor.begun ? 'in the middle of its answer' : 'before its answer'
    blame(trip, lost ? `closed the connection ${when}` : `reset the stream ${when} (code ${rstCode})`)
    if (!visitor.begun) {
      const unspent = this.kept.chunks !== undefined && (refused || (lost && this.isRepeatable(asked)))
      if (unspent) {
        this.sending?.leave()
        return this.giveUp('again')
      }
      if (lost || refused || !isCall(visitor) || visitor.version !== '2.0') return this.giveUp('unreachable')
    }
    this.settled = true
    this.sending?.stop()
    trip.lost ||= !visitor.closed
    if (lost) breakOff(visitor, trip, 'the app closed the connection')
    else resetCall(visitor, trip, rstCode)
  }

  /** It may have been done already, so it has to be such that doing it twice is doing it once. */
  private isRepeatable({ idempotent, body }: Asked) {
    return idempotent && body === 'none' && this.line.served > 0
  }

  private onLate(ms: number) {
    const { trip } = this.to
    const { visitor } = this
    if (this.settled) return
    if (!visitor.begun) {
      blame(trip, `gave no answer in ${ms / 1000} s`)
      return this.giveUp('slow')
    }
    blame(trip, `was silent for ${ms / 1000} s in the middle of its answer`)
    trip.lost ||= !visitor.closed
    breakOff(visitor, trip, 'the call was silent for too long')
  }

  /** The client has its answer, or has left early: either way nobody waits for the upstream any more. */
  private left() {
    this.giveUp('answered')
  }

  /** Ends this attempt; whoever made it answers the client. */
  private giveUp(outcome: Outcome) {
    if (!this.settled) {
      this.settled = true
      this.sending?.stop()
      this.stream.destroy(cancelled)
    }
    if (this.said) return
    this.said = true
    this.to.done(outcome)
  }
}

/** Flat, as Node takes it too. Whatever is in it has been read by a strict parser, and is without the fields of one connection. */
function headOf(visitor: Visitor, { path, lines }: Asked): OutgoingHttpHeaders {
  const fields = fieldsIn(lines)
  const head = [':method', visitor.method, ':scheme', 'http', ':path', path]
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!.toLowerCase()
    head.push(name === 'host' ? ':authority' : name, fields[at + 1]!)
  }
  // Said for this connection anew: what the app says after its answer gets there.
  if (takesTrailers(visitor.fields)) head.push('te', 'trailers')
  return pseudoFirst(head) as unknown as OutgoingHttpHeaders
}

function pseudoFirst(head: readonly string[]): string[] {
  const at = head.indexOf(':authority')
  return [':authority', head[at + 1]!, ...head.slice(0, at), ...head.slice(at + 2)]
}

function statusOf(raw: readonly string[]): number {
  return Number(raw[raw.indexOf(':status') + 1])
}

function withoutPseudo(raw: readonly string[]): readonly string[] {
  let at = 0
  while (raw[at]?.charCodeAt(0) === 0x3a) at += 2
  return raw.slice(at)
}

function linksOf(raw: readonly string[]): string[] {
  return raw.filter((_, at) => at % 2 === 1 && raw[at - 1] === 'link')
}
