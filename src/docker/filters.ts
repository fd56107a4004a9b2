import type { Query } from './api.ts'
import type { Labels } from './engine.ts'

/** The engine's list filter: what carries all the labels. */
export function filters({ labels, ...more }: { labels: Labels; type?: readonly string[] }): Query {
  return { filters: { ...more, label: Object.entries(labels).map(([key, value]) => `${key}=${value}`) } }
}

/** Looks at each, a few at a time, and leaves out what has gone meanwhile. In the order given. */
export async function inspectAll<T, Info>(
  found: readonly T[],
  inspect: (one: T) => Promise<Info | undefined>,
): Promise<readonly Info[]> {
  const infos: (Info | undefined)[] = []
  const queue = found.entries()
  const look = async () => {
    for (const [at, one] of queue) infos[at] = await inspect(one)
  }
  await Promise.all(Array.from({ length: 8 }, look))
  return infos.filter(info => info !== undefined)
}
