import { type Random, randomOf } from '../chaos.d/random.ts'
import { bytesOf, type Case, type Draft, honest, smuggled } from './draft.ts'
import { mutations, scratched } from './mutations.ts'

/** What one client says on one connection. */
export interface Speech extends Case {
  /** What was done to the first request. */
  readonly spoilt: readonly string[]
  /** The bytes, one character each, as they are written one piece after another. */
  readonly pieces: readonly string[]
}

/** Speech `number` of a seed is always the same, whoever says it to whom. */
export function speech(number: number, seed: number, { id, host }: Case): Speech {
  const random = randomOf(seed * 1_000_003 + number)
  const each = { id, host }
  const names = Object.keys(mutations)
  const spoilt = Array.from({ length: random.pick([1, 1, 1, 2, 2, 3]) }, () => random.pick(names))
  const draft = spoilt.reduce<Draft>(
    (draft, name) => mutations[name]!(draft, { each, random }),
    honest(each, random),
  )
  const first = latin1(bytesOf(draft))
  const scratch = random.next() < 0.2
  const spoken = scratch ? scratched(first, random) : first
  return {
    ...each,
    spoilt: scratch ? [...spoilt, 'a scratch'] : spoilt,
    pieces: cut(spoken + followers(each, random), random),
  }
}

/** What an innocent client says next on the same connection; the last of it asks for the end. */
function followers({ id, host }: Case, random: Random): string {
  const asked = (path: string, more: string) => `GET /${id}/${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
  const hidden = smuggled({ id, host })
  const second = random.pick([
    '',
    asked('second', ''),
    `POST /${id}/second HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  ])
  return second + asked('last', 'Connection: close\r\n')
}

function cut(bytes: string, random: Random): readonly string[] {
  const parts = random.pick([1, 1, 2, 3])
  const at = Array.from({ length: parts - 1 }, () => Math.floor(random.between(0, bytes.length)))
  const ends = [0, ...at.sort((a, b) => a - b), bytes.length]
  return ends
    .slice(1)
    .map((end, n) => bytes.slice(ends[n], end))
    .filter(piece => piece !== '')
}

/** Characters that are no bytes become UTF-8. */
function latin1(text: string): string {
  return text.replace(/[^\0-\xff]/g, character => Buffer.from(character).toString('latin1'))
}
