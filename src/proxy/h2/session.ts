import type { Socket } from 'node:net'

import { openPatience, type Patience } from '../patience.ts'
import { serve } from '../serve.ts'
import { Visitor2 } from '../visitor2.ts'
import { aheadAmong } from './bodies.ts'
import { openControl } from './control.ts'
import { openFarewell } from './farewell.ts'
import {
  ConnectionError,
  codes,
  farewellFrame,
  flags,
  frameHead,
  headFrames,
  kinds,
  resetFrame,
  windowFrame,
} from './frames.ts'
import { headMost, openHead } from './head.ts'
import { connectionWindow, openIntake } from './intake.ts'
import type { Mux } from './mux.ts'
import { openOutlet } from './outlet.ts'
import { openPacker } from './pack.ts'
import { openParse } from './parse.ts'
import type { SessionOptions } from './session-options.ts'
import { greeting } from './settings.ts'
import { openStreams } from './streams.ts'
import { openUnpack } from './unpack.ts'
import { streamWindow } from './upload.ts'
import { openUploads } from './uploads.ts'
import { openWindows } from './windows.ts'

/** One connection in HTTP/2 (RFC 9113), and the streams on it. */
export interface Session {
  /** Looks at deadlines. */
  sweep(now: number): void
  /** Tells the client to go on elsewhere, finishes the streams there are, and ends. */
  leave(): void
}

/** At once on one connection: it stands for so many of HTTP/1.1. */
const streamsMost = 128
/** Bytes that a client has not taken before nothing more is read of what it says. */
const unreadMost = 256 * 1024
/** For the client to close, once it has been told all. */
const lastWordMs = 5_000

export function openSession(socket: Socket, options: SessionOptions): Session {
  const { parts, scheme, peer, pages, none, spent, date, sweepMs } = options
  const { keepAliveMs, streamIdleMs, requestsPerConnection } = parts.limits
  const streams = openStreams<Visitor2>()
  const heads = openHead()
  const unpack = openUnpack()
  const packer = openPacker(date)
  const outlet = openOutlet(socket, pages, moved)
  const windows = openWindows<Visitor2>(outlet, schedule)
  const intake = openIntake(bytes => say(windowFrame(0, bytes)))
  const patience = openPatience()
  const farewell = openFarewell({ say, last: () => streams.last })
  let finished: Visitor2[] = []
  let served = 0
  let selfDependent = 0
  let clock = performance.now()
  let active = clock
  let scheduled = false
  let endedAt: number | undefined

  function say(frame: string) {
    if (endedAt !== undefined) return
    outlet.say(frame)
    schedule()
  }
  function schedule() {
    if (scheduled) return
    scheduled = true
    setImmediate(turn)
  }
  /** Once a turn of the loop, whatever number of streams have something to say. */
  function turn() {
    scheduled = false
    if (endedAt !== undefined) return
    windows.pump()
    outlet.flush()
    const gone = finished
    finished = []
    for (const stream of gone) {
      if (stream.closed) continue
      forget(stream, { reset: !stream.received })
      try {
        stream.depart()
      } catch (error) {
        parts.report(error)
      }
    }
    if (farewell.said() && streams.size === 0) end(() => socket.end())
  }
  function moved() {
    if (windows.waits) schedule()
    if (socket.isPaused() && outlet.waiting < unreadMost) socket.resume()
  }
  function end(how: () => void) {
    outlet.finish()
    endedAt = clock
    how()
    // What it still says is read, and forgotten: unread it would take our last words with it.
    socket.resume()
  }
  function leaveAll() {
    for (const stream of [...streams.all()]) {
      forget(stream, { reset: true })
      stream.leave()
    }
  }
  function fail(code: number) {
    say(farewellFrame(streams.last, code))
    end(() => socket.destroySoon())
    leaveAll()
  }
  function forget(stream: Visitor2, how: { reset: boolean }) {
    streams.forget(stream.id, how)
    windows.forget(stream)
    // It may have been the last.
    if (farewell.said()) schedule()
  }
  /** Throws when the client has asked too much of what costs it nothing. */
  function spend(on: Parameters<Patience>[0]) {
    if (!patience(on)) throw new ConnectionError(codes.calm, 'a flood')
  }
  function touch(stream?: Visitor2) {
    active = clock
    if (stream) stream.active = clock
  }
  function refuse(id: number, code: number) {
    say(resetFrame(id, code))
    streams.forget(id, { reset: true })
    spend('reset')
  }
  /** The client's fault. */
  function fault(stream: Visitor2, code: number) {
    if (!stream.ended) {
      mux.reset(stream, code)
      stream.leave()
    }
    spend('reset')
  }
  function begin(id: number, received: boolean) {
    if (!streams.isNew(id)) return spend('trifle')
    // What is not taken by now is asked for anew, elsewhere (RFC 9113 6.8).
    if (farewell.said()) return spend('trifle')
    streams.take(id)
    if (streams.size >= streamsMost) return refuse(id, codes.refused)
    const head = heads.request()
    if (head === 'large') return refuse(id, codes.calm)
    const lacks = received && head !== 'malformed' && (head.length ?? 0) > 0
    if (head === 'malformed' || lacks || selfDependent === id) return refuse(id, codes.protocol)
    const window = windows.initial
    const stream = new Visitor2(mux, id, head, { received, window, patienceMs: streamIdleMs })
    streams.add(stream)
    if (++served >= requestsPerConnection * streamsMost) farewell.say()
    try {
      serve(stream, parts)
    } catch (error) {
      parts.report(error)
      stream.cut()
    }
  }

  const mux: Mux = {
    ...{ scheme, peer, none, spent, windows },
    get clock() {
      return clock
    },
    ahead: () => aheadAmong(streams.size),
    pack: packer.head,
    packTrailers: packer.trailers,
    head(of, block, { ends }) {
      of.active = clock
      for (const frame of headFrames(of.id, block, ends)) say(frame)
    },
    data(of, bytes, { ends }) {
      of.active = clock
      outlet.frame(frameHead(bytes.length, kinds.data, ends ? flags.endStream : 0, of.id), bytes)
      windows.spend(of, bytes.length)
      schedule()
    },
    reset(stream, code) {
      say(resetFrame(stream.id, code))
      if (code !== codes.none) forget(stream, { reset: true })
    },
    done: stream => void finished.push(stream),
    credit: (id, bytes) => say(windowFrame(id, bytes)),
    holds: intake.holds,
  }

  const uploads = openUploads({ streams, intake, touch, spend, fault, refuse })
  const parse = openParse({
    onBlock(id, ends, bytes, from, to) {
      heads.begin()
      unpack(bytes, from, to, heads.add)
      touch()
      const stream = streams.get(id)
      if (!stream) return begin(id, ends)
      if (stream.ended) return
      if (stream.received) return fault(stream, codes.streamClosed)
      const trailers = heads.trailers()
      if (!ends || typeof trailers === 'string' || !stream.heardAll(trailers)) fault(stream, codes.protocol)
    },
    ...uploads,
    onFrame: openControl({ streams, windows, packer, say, schedule, spend, fault, forget, farewell }),
    onSelfDependent(id) {
      selfDependent = id
    },
  })

  socket.on('data', (chunk: Buffer) => {
    if (endedAt !== undefined) return
    try {
      parse(chunk)
      uploads.settle()
    } catch (error) {
      if (!(error instanceof ConnectionError)) parts.report(error)
      fail(error instanceof ConnectionError ? error.code : codes.internal)
    }
    if (endedAt === undefined && outlet.waiting > unreadMost) socket.pause()
  })
  // Nobody is there to take what is left.
  socket.on('end', () => socket.destroySoon())
  socket.on('close', () => {
    endedAt ??= clock
    leaveAll()
  })
  say(greeting(streamsMost, streamWindow, headMost, connectionWindow))

  return {
    sweep(now) {
      clock = now
      farewell.sweep(now)
      if (endedAt !== undefined) {
        if (now - endedAt > lastWordMs) socket.destroy()
        return
      }
      for (const stream of streams.all()) if (now - stream.active > stream.patienceMs + sweepMs) stream.cut()
      if (streams.size > 0) active = now
      else if (now - active > keepAliveMs + sweepMs) farewell.announce()
    },
    leave: farewell.announce,
  }
}
