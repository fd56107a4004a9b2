import type { Writable } from 'node:stream'

import type { Out } from '../types.ts'

interface OutForm {
  /** Decorative lines are left out: no terminal, or `--quiet`. */
  readonly plain: boolean
  /** The pty is the client's own, in raw mode: a line's end has to carry its return. */
  readonly terminal: boolean
}

/** Where words for a person go. */
export function createOut(
  streams: { stdout: Writable; stderr: Writable },
  { plain, terminal }: OutForm,
): Out {
  const ends = (text: string) => (terminal ? text.replaceAll('\n', '\r\n') : text)
  const line = (text: string) => void streams.stdout.write(ends(`${text}\n`))
  const decorative = plain ? () => undefined : line
  return Object.assign(line, {
    step: (text: string) => decorative(`-----> ${text}`),
    headline: (text: string) => decorative(`=====> ${text}`),
    detail: (text: string) => line(`       ${text}`),
    warn: (text: string) => void streams.stderr.write(ends(warning(text))),
    flushed: async (text: string) => room(streams.stdout, ends(`${text}\n`)),
  })
}

/** Settles when the stream takes more, or is gone. */
function room(stream: Writable, text: string): Promise<void> | void {
  if (stream.write(text) || stream.destroyed) return
  return new Promise(resolve => {
    for (const event of ['drain', 'close', 'error']) stream.once(event, () => resolve())
  })
}

/** The same for the one-stream line protocol of a push: everything is shown, line by line. */
export function createPushOut(say: (line: string) => void): Out {
  const lines = (text: string) => {
    for (const line of text.split('\n')) say(line)
  }
  return Object.assign(lines, {
    step: (text: string) => lines(`-----> ${text}`),
    headline: (text: string) => lines(`=====> ${text}`),
    detail: (text: string) => lines(`       ${text}`),
    warn: (text: string) => lines(warning(text).trimEnd()),
    flushed: async (text: string) => lines(text),
  })
}

/** ` !     text`, further lines under it. */
export function warning(text: string): string {
  return `${text
    .split('\n')
    .map(each => ` !     ${each}`)
    .join('\n')}\n`
}
