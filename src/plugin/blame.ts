/** Where plugins' programs lie: whose folder a line of a stack names is at fault. */
export type Places = readonly { readonly name: string; readonly folder: string }[]

/** The plugin whose file comes first in a stack, or in a text. */
export function ownerIn(stack: string, places: Places): string | undefined {
  for (const line of stack.split('\n')) {
    const found = places.find(({ folder }) => line.includes(`${folder}/`))
    if (found) return found.name
  }
  return undefined
}

const mostBytes = 64

/** Whose code is on the loop: shared with a thread that looks when it is blocked. Names are short; nothing: Davit's own. */
export const onLoop = new Uint8Array(new SharedArrayBuffer(mostBytes))

/** Notes the plugin for as long as `work` holds the loop. */
export function holdingLoop<T>(plugin: string, work: () => T): T {
  const before = onLoop.slice()
  const { written } = new TextEncoder().encodeInto(plugin, onLoop.subarray(1))
  onLoop[0] = written
  try {
    return work()
  } finally {
    onLoop.set(before)
  }
}

export function nameIn(shared: Uint8Array): string | undefined {
  const length = shared[0]!
  return length === 0 ? undefined : new TextDecoder().decode(shared.slice(1, 1 + length))
}
