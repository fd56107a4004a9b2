import type { Random } from '../chaos.d/random.ts'
import { bodies } from './mutations/bodies.ts'
import type { Mutation } from './mutations/changes.ts'
import { lines } from './mutations/lines.ts'
import { requests } from './mutations/requests.ts'

/** Ways to say a request so that two readers may hear two things, by name. A seed means the same as long as their order stays. */
export const mutations: Readonly<Record<string, Mutation>> = { ...bodies, ...lines, ...requests }

/** Any byte may go, come or turn into another. */
export function scratched(bytes: string, random: Random): string {
  const at = Math.floor(random.between(0, bytes.length))
  const odd = random.pick([
    '\0',
    '\n',
    '\r',
    '\r\n',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '0',
    '1',
    'a',
    '\x7f',
    '\xff',
    '\x0b',
    '_',
    '-',
  ])
  return random.pick([
    bytes.slice(0, at) + odd + bytes.slice(at),
    bytes.slice(0, at) + odd + bytes.slice(at + 1),
    bytes.slice(0, at) + bytes.slice(at + 1),
  ])
}
