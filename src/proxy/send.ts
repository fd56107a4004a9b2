import type { Socket } from 'node:net'

import type { Asked } from './asked.ts'
import { linesOf } from './field-lines.ts'
import { trailerFields } from './fields.ts'
import type { Visitor } from './visitor.ts'

export interface Sending {
  /** Sends no more of it, and lets what still comes run to waste. True when it had not come to its end. */
  stop(): boolean
}

export interface SendOptions {
  /** Bytes that are taken at most. */
  readonly most: number
  /** Some of it has gone on its way. */
  readonly moved: () => void
  readonly tooMuch: () => void
  /** The client has ended it in the middle, or sent other than it had said. */
  readonly broken: () => void
}

/** A request's body on its way to an upstream, as fast as the slower side; in chunks where its length is not known (RFC 9112 7.1). */
export function sendBody(
  visitor: Visitor,
  { body: kind, length }: Asked,
  socket: Socket,
  { most, moved, tooMuch, broken }: SendOptions,
): Sending {
  const { body } = visitor
  let over = false

  const quit = () => {
    over = true
    body.off('data', send).off('end', end).off('error', fail).off('close', fail)
    body.owes = undefined
  }
  const fail = () => {
    if (over) return
    quit()
    broken()
  }
  const owes = () => socket.writableLength > 0
  const go = () => {
    if (!over && !owes()) body.resume()
  }
  const send = (chunk: Buffer) => {
    visitor.taken += chunk.length
    if (visitor.taken > most) {
      quit()
      body.resume()
      return tooMuch()
    }
    if (kind === 'counted' && visitor.taken > length!) return fail()
    moved()
    put(chunk)
    // What the kernel has not taken yet lies in memory that is wanted for what comes next.
    if (owes()) body.pause()
  }
  const put = (chunk: Buffer) => {
    if (kind === 'counted') return void socket.write(chunk, go)
    socket.cork()
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
    socket.write(chunk)
    socket.write('\r\n', 'latin1', go)
    socket.uncork()
  }
  const end = () => {
    if (over) return
    if (kind === 'counted' && visitor.taken !== length) return fail()
    quit()
    moved()
    if (kind === 'chunked') socket.write(`0\r\n${linesOf(trailerFields(visitor.trailers))}\r\n`, 'latin1')
  }
  body.on('data', send).on('end', end).on('error', fail).on('close', fail)
  body.owes = owes
  body.resume()
  return {
    stop() {
      if (over) return false
      quit()
      // An error of a body that nobody reads is nobody's.
      body.on('error', () => undefined)
      body.resume()
      return true
    },
  }
}
