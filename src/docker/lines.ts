/** Cuts bytes into lines, decoded only when complete, so that no character is split. */
export interface LineSplitter {
  /** The lines that these bytes complete, without their ends (`\n` or `\r\n`). */
  push(bytes: Buffer): string[]
  /** What came after the last line's end, if anything did. */
  rest(): string[]
}

/** A line longer than `limit` bytes is handed out in pieces of at most that many. */
export function lineSplitter({ limit = Infinity }: { limit?: number } = {}): LineSplitter {
  let held: Buffer[] = []
  let size = 0

  const hold = (bytes: Buffer) => {
    held.push(bytes)
    size += bytes.length
  }
  const take = () => {
    const whole = held.length === 1 ? held[0]! : Buffer.concat(held)
    held = []
    size = 0
    return whole
  }
  const overflow = function* () {
    while (size > limit) {
      const whole = take()
      const cut = characterStart(whole, limit)
      yield whole.toString('utf8', 0, cut)
      hold(whole.subarray(cut))
    }
  }
  const cut = function* (bytes: Buffer) {
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      hold(bytes.subarray(from, end))
      yield* overflow()
      yield withoutReturn(take()).toString()
      from = end + 1
    }
    if (from < bytes.length) hold(bytes.subarray(from))
    yield* overflow()
  }
  return {
    push: bytes => [...cut(bytes)],
    rest: () => (size > 0 ? [take().toString()] : []),
  }
}

/** Whole lines of a stream, the last one also without its end. */
export async function* lines(source: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  const splitter = lineSplitter()
  for await (const chunk of source) yield* splitter.push(chunk)
  yield* splitter.rest()
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 13 ? line.subarray(0, -1) : line
}

// UTF-8 continuation bytes are 10xxxxxx (RFC 3629); a character has at most three of them.
function characterStart(bytes: Buffer, at: number): number {
  for (let start = at; start > Math.max(0, at - 4); start--) if ((bytes[start]! & 0xc0) !== 0x80) return start
  return at
}
