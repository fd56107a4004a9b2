import type { Readable } from 'node:stream'

import { type Api, answered, path } from './api.ts'
import type { LogLine, LogOptions } from './engine.ts'
import { demultiplexer, type Piece } from './frames.ts'
import { lineSplitter } from './lines.ts'

/** Longer lines are handed out in pieces, so that one without an end does not fill the memory. */
const longestLine = 4 * 1024 * 1024

/** Reads only as fast as the lines are taken. A container that is being removed has none. */
export async function* logs(
  api: Api,
  name: string,
  { tail, follow = false, since, signal }: LogOptions,
): AsyncGenerator<LogLine, void, undefined> {
  try {
    const { Config } = await api.ask<{ Config: { Tty: boolean } }>('GET', path`/containers/${name}/json`, {
      signal,
    })
    const query = {
      stdout: true,
      stderr: true,
      timestamps: true,
      follow,
      tail: tail ?? 'all',
      since: since && (since.getTime() / 1000).toFixed(3),
    }
    const source = await api.stream('GET', path`/containers/${name}/logs`, { query, signal })
    yield* logLines(source, { tty: Config.Tty })
  } catch (error) {
    if (!signal.aborted && !isGoing(error)) throw error
  }
}

/** The engine gives no logs of a container it is removing. */
function isGoing(error: unknown): boolean {
  return answered(error, 409)
}

/** The engine's log stream, asked for with timestamps, as lines; a terminal's is one stream without frames. */
export async function* logLines(
  source: Readable | AsyncIterable<Buffer>,
  { tty }: { tty: boolean },
): AsyncGenerator<LogLine, void, undefined> {
  const reader = tty ? terminalReader() : frameReader()
  for await (const chunk of source) yield* reader.push(chunk)
  yield* reader.rest()
}

interface Reader {
  push(chunk: Buffer): Iterable<LogLine>
  rest(): Iterable<LogLine>
}

// A long line comes as several frames, each with a time of its own; only its last one ends in a newline.
function frameReader(): Reader {
  const pieces = demultiplexer()
  const readers = { stdout: entryReader('stdout'), stderr: entryReader('stderr') }
  return {
    *push(chunk) {
      for (const piece of pieces(chunk)) yield* readers[piece.stream].push(piece)
    },
    *rest() {
      yield* readers.stdout.rest()
      yield* readers.stderr.rest()
    },
  }
}

function entryReader(stream: LogLine['stream']) {
  const splitter = lineSplitter({ limit: longestLine })
  let stamp: Buffer | undefined
  let at = new Date(0)
  let fresh = true

  const line = (text: string): LogLine => ({ at, stream, text })
  return {
    *push({ begins, bytes }: Piece) {
      let payload = bytes
      if (begins) stamp = Buffer.alloc(0)
      if (stamp) {
        const head: Buffer = Buffer.concat([stamp, bytes])
        const space = head.indexOf(' ')
        stamp = space < 0 ? head : undefined
        if (space < 0) return
        if (fresh) at = dateOf(head.toString('latin1', 0, space)) ?? at
        fresh = false
        payload = head.subarray(space + 1)
      }
      const complete = splitter.push(payload)
      yield* complete.map(line)
      if (complete.length > 0) fresh = true
    },
    rest: () => splitter.rest().map(line),
  }
}

function terminalReader(): Reader {
  const splitter = lineSplitter({ limit: longestLine })
  let last = new Date(0)

  const line = (text: string): LogLine => {
    const space = text.indexOf(' ')
    const at = dateOf(text.slice(0, Math.max(space, 0)))
    if (!at) return { at: last, stream: 'stdout', text }
    last = at
    return { at, stream: 'stdout', text: text.slice(space + 1) }
  }
  return {
    push: chunk => splitter.push(chunk).map(line),
    rest: () => splitter.rest().map(line),
  }
}

function dateOf(text: string): Date | undefined {
  return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) ? new Date(text) : undefined
}
