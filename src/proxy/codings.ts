import type { Transform } from 'node:stream'
import { constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib'

/** A way to make an answer smaller (RFC 9110 8.4.1, RFC 7932, RFC 8878). */
export interface Coding {
  readonly name: string
  /** `flushing`: what goes in comes out at once, as far as it can be read by itself. */
  readonly open: (flushing: boolean) => Transform
}

/** The quickest first, each at the level from which on smallness is dearly bought: some 0.3, 0.8 and 1 ms for 100 KB of text. */
const codings: readonly Coding[] = [
  {
    name: 'zstd',
    open: flushing =>
      createZstdCompress({
        ...(flushing ? { flush: constants.ZSTD_e_flush } : {}),
        params: { [constants.ZSTD_c_compressionLevel]: 2 },
      }),
  },
  {
    name: 'br',
    open: flushing =>
      createBrotliCompress({
        ...(flushing ? { flush: constants.BROTLI_OPERATION_FLUSH } : {}),
        // A window of 256 KB in place of 4 MB: there may be thousands at once.
        params: { [constants.BROTLI_PARAM_QUALITY]: 3, [constants.BROTLI_PARAM_LGWIN]: 18 },
      }),
  },
  {
    name: 'gzip',
    open: flushing => createGzip({ level: 4, ...(flushing ? { flush: constants.Z_SYNC_FLUSH } : {}) }),
  },
]

/** What a client takes, by the Accept-Encoding that it sends. The same few texts come again and again: they are read once. */
export type Choice = (accepted: string) => Coding | undefined

const remembered = 200

export function openChoice(): Choice {
  const known = new Map<string, Coding | undefined>()
  return accepted => {
    if (known.has(accepted)) return known.get(accepted)
    if (known.size >= remembered) known.clear()
    const coding = choose(accepted)
    known.set(accepted, coding)
    return coding
  }
}

/** RFC 9110 12.5.3: the heaviest; none where the client would rather have it as it is. */
function choose(accepted: string): Coding | undefined {
  const weights = new Map(accepted.split(',').map(weightOf))
  const weigh = (name: string) => weights.get(name) ?? weights.get('*') ?? 0
  let best: Coding | undefined
  for (const coding of codings) {
    if (weigh(coding.name) > (best ? weigh(best.name) : 0)) best = coding
  }
  const asItIs = weights.get('identity') ?? 0
  return best && asItIs > weigh(best.name) ? undefined : best
}

function weightOf(each: string): readonly [string, number] {
  const [name = '', ...parameters] = each.split(';').map(part => part.trim().toLowerCase())
  const given = parameters.find(part => part.startsWith('q='))
  if (given === undefined) return [name, 1]
  return [name, /^q=(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(given) ? Number(given.slice(2)) : 0]
}
