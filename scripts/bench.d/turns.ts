/** One thing done by Davit and, as `beside`, plainly. Both answer milliseconds. */
export interface Contest {
  readonly what: string
  /** The most that the ratio of the medians should be. */
  readonly target: number
  readonly rounds: number
  readonly davit: (round: number) => Promise<number>
  readonly beside: (round: number) => Promise<number>
  /** Outside the clock, after each turn: the machine comes to rest. */
  readonly rest?: () => Promise<void>
}

export interface Outcome {
  readonly what: string
  readonly target: number
  readonly davit: readonly number[]
  readonly beside: readonly number[]
}

const warmUps = 2

/** Takes turns, A B A B, so that whatever else the machine does falls on both alike; the first rounds do not count. */
export async function takeTurns({ what, target, rounds, rest, ...sides }: Contest): Promise<Outcome> {
  const davit: number[] = []
  const beside: number[] = []
  for (let round = 0; round < rounds + warmUps; round++) {
    const a = await sides.davit(round)
    await rest?.()
    const b = await sides.beside(round)
    await rest?.()
    process.stderr.write(`       ${what}, ${roundName(round)}: ${ms(a)} and ${ms(b)}\n`)
    if (round < warmUps) continue
    davit.push(a)
    beside.push(b)
  }
  return { what, target, davit, beside }
}

function roundName(round: number): string {
  return round < warmUps ? 'warm-up' : `round ${round - warmUps + 1}`
}

/** Runs the work and answers how long it took, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** Medians with the least and the most, and the ratio of the medians with the least and the most ratio of one round. */
export function outcomeTable(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ what, target, davit, beside }) => {
    const ratio = median(davit) / median(beside)
    const each = davit.map((a, round) => a / beside[round]!)
    return [
      what,
      `${ms(median(davit))} (${ms(Math.min(...davit))} – ${ms(Math.max(...davit))})`,
      `${ms(median(beside))} (${ms(Math.min(...beside))} – ${ms(Math.max(...beside))})`,
      `${ratio.toFixed(2)} (${Math.min(...each).toFixed(2)} – ${Math.max(...each).toFixed(2)})`,
      `at most ${target}`,
      ratio <= target ? 'met' : 'missed',
    ]
  })
  return columns([['', 'Davit', 'without', 'ratio', 'target', ''], ...rows])
}

export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map(row => row[at]!.length)))
  return rows
    .map(row =>
      row
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function ms(value: number): string {
  return value < 2_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`
}
