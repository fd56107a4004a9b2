/** The word that was meant, where one is near enough: for `comands`, `commands`. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const plain = word.toLowerCase()
  const ranked = words
    .map(each => ({ each, far: distance(plain, each.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)
  const [first] = ranked
  return first && first.far <= Math.max(1, first.each.length / 3) ? first.each : undefined
}

/** `comands`, and what may stand there: for sentences that say that it may not. */
export function meant(word: string, words: readonly string[]): string {
  const near = nearest(word, words)
  return near === undefined ? '' : ` (did you mean ${near}?)`
}

/** How many letters have to be put in, taken out or changed (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (const [i, a] of [...one].entries()) {
    const next = [i + 1]
    for (const [j, b] of [...other].entries())
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a === b ? 0 : 1)))
    row = next
  }
  return row[other.length]!
}
