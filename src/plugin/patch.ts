/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** A JSON merge patch (RFC 7396) of a value: null takes away, objects go into each other, anything else replaces. */
export function mergePatch(value: unknown, patch: Json): unknown {
  if (!isObject(patch)) return patch
  const merged = new Map<string, unknown>(Object.entries(isObject(value) ? value : {}))
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) merged.delete(key)
    else merged.set(key, mergePatch(merged.get(key), change))
  }
  // fromEntries makes a key called __proto__ a key like any other.
  return Object.fromEntries(merged)
}

export function isObject(value: unknown): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
