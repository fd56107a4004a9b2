/** What a client may ask of one connection that costs it nothing and us something. */
const prices = { reset: 2, ping: 1, trifle: 1, settings: 20 }

/** A browser that leaves a page of hundreds of pictures is well within it; a flood is past it in a moment. */
const most = 1_000
const backEachMs = 0.1

/** Answers whether there is still patience left. */
export type Patience = (on: keyof typeof prices) => boolean

export function openPatience(): Patience {
  let left = most
  let since = performance.now()
  return on => {
    const now = performance.now()
    left = Math.min(most, left + (now - since) * backEachMs) - prices[on]
    since = now
    return left >= 0
  }
}
