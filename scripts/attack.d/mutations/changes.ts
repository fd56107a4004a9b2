import type { Random } from '../../chaos.d/random.ts'
import { type Case, chunks, type Draft, smuggled } from '../draft.ts'

export type Mutation = (draft: Draft, spoil: { readonly each: Case; readonly random: Random }) => Draft

export function added(draft: Draft, random: Random, line: string): Draft {
  const at = Math.floor(random.between(0, draft.lines.length + 1))
  return { ...draft, lines: [...draft.lines.slice(0, at), line, ...draft.lines.slice(at)] }
}

export function spelt(draft: Draft, random: Random, change: (line: string) => string): Draft {
  const chosen = Math.floor(random.between(0, draft.lines.length))
  return { ...draft, lines: draft.lines.map((line, at) => (at === chosen ? change(line) : line)) }
}

export function withoutFraming(draft: Draft, more: readonly string[] = []): Draft {
  const lines = draft.lines.filter(line => !/^(?:content-length|transfer-encoding)\s*:/i.test(line))
  return {
    ...draft,
    version: draft.version === 'HTTP/1.0' ? 'HTTP/1.1' : draft.version,
    lines: [...lines, ...more],
  }
}

export function chunked(draft: Draft, each: Case, random: Random): Draft {
  const text = random.pick(['hello', smuggled(each)])
  const bare = withoutFraming(draft, ['Transfer-Encoding: chunked'])
  return {
    ...bare,
    method: random.pick(['POST', 'PUT', 'DELETE', 'OPTIONS', 'GET']),
    body: chunks(text, random),
  }
}

export function swapped(line: string): string {
  return line.replace(/[a-z]/gi, letter => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase()))
}
