import { type ContainerSpec, UserError } from 'davit/plugin'

export const kinds = ['limit', 'reserve'] as const
export type Kind = (typeof kinds)[number]

/** How each is read from a word, and how it is kept. `clear` takes it away. */
export const amounts = {
  cpu: { read: orClear(readCpus) },
  memory: { read: orClear(readMemory) },
  'memory-swap': { read: orClear(word => (word === '-1' ? word : readMemory(word))) },
} as const
export type Resource = keyof typeof amounts

/** The engine's own least: below it no container starts. */
const leastMemory = 6 * 1024 ** 2

/** What becomes of a container's spec. */
export function shapedBy(
  get: (kind: Kind, resource: Resource) => string | undefined,
): Partial<ContainerSpec> {
  const bytes = (kind: Kind, resource: Resource) => optional(get(kind, resource), bytesOf)
  const memory = bytes('limit', 'memory')
  // The engine takes a bound for swap only along with one for memory.
  const swap = memory && bytes('limit', 'memory-swap')
  return given({
    cpus: optional(get('limit', 'cpu'), Number),
    memoryBytes: memory,
    memorySwapBytes: swap && (swap === -1 ? -1 : Math.max(swap, memory!)),
    memoryReservationBytes: bytes('reserve', 'memory'),
    cpuShares: optional(get('reserve', 'cpu'), value => Math.max(2, Math.round(Number(value) * 1024))),
  })
}

function given<T extends object>(values: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>
}

function optional<T>(value: string | undefined, as: (value: string) => T): T | undefined {
  return value === undefined ? undefined : as(value)
}

function bytesOf(value: string): number {
  if (value === '-1') return -1
  const [, number, unit = 'm'] = /^(\d+)([bkmg])?$/.exec(value)!
  return Number(number) * { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit as 'b' | 'k' | 'm' | 'g']
}

function readMemory(word: string): string {
  const value = word.toLowerCase()
  if (!/^\d{1,12}[bkmg]?$/.test(value))
    throw new UserError(
      'bad-amount',
      `${JSON.stringify(word)} is no amount of memory.`,
      'Say it like 512m or 2g.',
    )
  if (bytesOf(value) < leastMemory)
    throw new UserError('bad-amount', `${word} is less than 6m, the least there is.`)
  return value
}

function readCpus(word: string): string {
  if (/^\d{1,4}(\.\d{1,3})?$/.test(word) && Number(word) >= 0.01) return word
  throw new UserError(
    'bad-amount',
    `${JSON.stringify(word)} is no number of processors.`,
    'Say it like 0.5 or 2.',
  )
}

function orClear(read: (word: string) => string): (word: string) => string {
  return word => (word === 'clear' ? word : read(word))
}
