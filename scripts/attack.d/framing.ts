import type { Backend } from './backends.ts'
import { type Speech, speech } from './cases.ts'
import { type Talk, talk } from './client.ts'
import type { Tap } from './tap.ts'
import { type Finding, judgeAnswers, judgeForwarded, judgeSeen } from './verdict.ts'

/** A proxy that leads `host` to a backend, through a tap. */
export interface Side {
  readonly host: string
  readonly backend: Backend
  readonly tap: Tap
}

export interface Framing {
  readonly port: number
  readonly seed: number
  readonly cases: number
  readonly sides: readonly Side[]
  readonly signal: AbortSignal
}

export interface Outcome {
  readonly findings: readonly Finding[]
  readonly counts: Readonly<Record<string, number>>
}

/** So many clients at once, so that each backend's kept connections carry requests of several. */
const clients = 24

/** Spoilt requests, each on a connection of its own to each backend; then all that was seen is compared. */
export async function attackFraming({ port, seed, cases, sides, signal }: Framing): Promise<Outcome> {
  const talks: Talk[] = []
  const left = speeches(seed, cases, sides)
  const crew = Array.from({ length: clients }, async () => {
    for (const next of left) {
      if (signal.aborted) return
      talks.push(await talk(port, next))
    }
  })
  await Promise.all(crew)
  await settled(sides)
  const findings = [
    ...talks.flatMap(judgeAnswers),
    ...sides.flatMap(({ host, tap }) =>
      judgeForwarded(
        tap.connections,
        talks.filter(each => each.host === host),
      ),
    ),
    ...sides.flatMap(({ backend, tap }) => judgeSeen(backend, tap.connections)),
  ]
  return { findings, counts: countsOf(talks, sides) }
}

function* speeches(seed: number, cases: number, sides: readonly Side[]): Generator<Speech> {
  for (let number = 1; number <= cases; number++) {
    for (const [at, { host }] of sides.entries()) yield speech(number, seed, { id: number * 10 + at, host })
  }
}

/** Until nothing more arrives at the backends. */
async function settled(sides: readonly Side[]) {
  const seen = () => sides.map(({ backend }) => [...backend.saw.values()].flat().length).join()
  for (let last = ''; last !== seen(); ) {
    last = seen()
    await new Promise(resolve => setTimeout(resolve, 300))
  }
}

function countsOf(talks: readonly Talk[], sides: readonly Side[]): Outcome['counts'] {
  const counts: Record<string, number> = { connections: talks.length }
  const count = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1
  }
  for (const { understood, end, heard } of talks) {
    if (understood.end.kind === 'doubtful') count('doubtful')
    if (end !== 'closed') count(end)
    const status = /^HTTP\/1\.1 (\d{3})/.exec(heard)?.[1]
    count(status === undefined ? 'without an answer' : `first answer ${status}`)
  }
  for (const { backend } of sides) counts[`seen by ${backend.name}`] = [...backend.saw.values()].flat().length
  return counts
}
