/** Plain values that came over the wire or from a file: as they ought to be, or an Error that says what is wrong. */

export function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new Error(`${name} is not an object`)
}

export function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new Error(`${name} is not a list`)
}

export function textOf(value: unknown, name: string, longest: number): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= longest) return value
  throw new Error(`${name} is not a text of at most ${longest}`)
}

export function wholeOf(value: unknown, name: string, most: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number
  throw new Error(`${name} is not a whole number up to ${most}`)
}

export function yesOrNo(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value
  throw new Error(`${name} is not true or false`)
}

export function oneOf<T extends string | number>(value: unknown, name: string, all: readonly T[]): T {
  if (all.includes(value as T)) return value as T
  throw new Error(`${name} is none of ${all.join(', ')}`)
}

/** An object whose keys and values are read each; without a prototype, so that a key is never more than a key. */
export function mapOf<T>(
  value: unknown,
  name: string,
  read: (key: string, value: unknown) => readonly [string, T],
): Readonly<Record<string, T>> {
  const entries = Object.entries(objectOf(value, name)).map(([key, each]) => read(key, each))
  return Object.assign(Object.create(null), Object.fromEntries(entries))
}
