const blocks = '▁▂▃▄▅▆▇█'

/** Numbers as one line of bars, the highest as high as it goes. Nothing, or none, is the lowest. */
export function sparkline(numbers: readonly (number | null)[]): string {
  const most = Math.max(...numbers.map(each => each ?? 0))
  return numbers.map(each => blocks[each ? Math.ceil((each * 7) / most) : 0]).join('')
}
