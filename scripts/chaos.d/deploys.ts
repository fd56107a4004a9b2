import { setTimeout as pause } from 'node:timers/promises'

import { openSandbox } from '../../test/e2e/sandbox.ts'
import { kinds, openVisitors, toldToComeAgain, type Visit } from '../../test/e2e/visitors.ts'

export interface Deploys {
  readonly deploys: number
  readonly uploadBytes?: (number: number) => number
  /** Told of each deploy as it has ended. */
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** One push, and what it said itself of the requests that crossed over. */
interface Deploy {
  readonly code: number | null
  readonly text: string
  readonly ms: number
  /** The next visitor met it. */
  readonly met: boolean
}

export interface DeploysReport {
  /** Every push was taken, and no request failed, was cut short or was answered wrongly. */
  readonly fine: boolean
  readonly lines: readonly string[]
  readonly visits: readonly Visit[]
}

/** Deploys in a row while clients ask all the time: over kept connections and new ones, with uploads, and over a WebSocket. */
export async function deploysInARow({ deploys, uploadBytes, say, signal }: Deploys): Promise<DeploysReport> {
  const box = await openSandbox()
  try {
    const app = await box.checkout('echo', 'echo')
    const first = await app.push()
    if (first.code !== 0) throw new Error(`The first push failed:\n${first.text}`)
    await box.ssh('checks:set echo wait-to-retire 3')
    const began = Date.now()
    const visitors = openVisitors({
      port: box.httpPort,
      host: 'echo.localhost',
      ...(uploadBytes ? { uploadBytes } : {}),
    })
    const done: Deploy[] = []
    while (done.length < deploys && !signal.aborted) {
      const version = `v${done.length + 1}`
      await app.write('version', `${version}\n`)
      await app.commit(version)
      const begun = Date.now()
      const { code, text } = await app.push()
      const ms = Date.now() - begun
      const next = await visitors.next(each => each.kind === 'new' && each.outcome.kind === 'answered')
      const met = next.outcome.kind === 'answered' && next.outcome.version === version
      done.push({ code, text, ms, met })
      say(`${version.padStart(6)}  ${ms} ms  ${receiptIn(text) ?? 'no receipt'}`)
    }
    // Those of the last deploy's containers, too, are told to come again.
    await pause(4_000, undefined, { signal }).catch(() => undefined)
    await visitors.stop()
    return reportOf(done, visitors.visits, { deploys, began, cutShort: signal.aborted })
  } finally {
    await box.close()
  }
}

const slowMs = 2_000

interface Asked {
  readonly deploys: number
  readonly began: number
  readonly cutShort: boolean
}

function reportOf(
  done: readonly Deploy[],
  visits: readonly Visit[],
  { deploys, began, cutShort }: Asked,
): DeploysReport {
  const refused = done.filter(({ code }) => code !== 0)
  const unmet = done.filter(({ met }) => !met)
  const receipts = done.flatMap(({ text }) => receiptIn(text) ?? [])
  const failing = receipts.filter(each => !each.includes(': none failed'))
  const at = (time: number) => `${((time - began) / 1000).toFixed(1)} s`
  const told = visits.filter(isTold)
  const bad = visits.filter(each => each.outcome.kind !== 'answered' && !isTold(each))
  const times = done.map(each => each.ms).sort((a, b) => a - b)
  const lines = [
    `=====> ${done.length} deploys in a row in ${at(Date.now())}, each ${times[Math.floor(times.length / 2)] ?? 0} ms (the longest ${times.at(-1) ?? 0} ms)`,
    ...kinds.map(kind => row(kind, visits)),
    `       ${visits.filter(each => each.again).length} asked again because a kept connection was closed`,
    `       the WebSocket was told to come again ${told.length} times`,
    `       ${refused.length} pushes were refused, ${unmet.length} were not met by the next visitor; ${receipts.length} told of requests across the switch, ${failing.length} of them that some failed`,
    ...visits
      .filter(each => each.ended - each.begun > slowMs)
      .map(each => `       slow: #${each.number} ${each.kind}, ${at(each.begun)} to ${at(each.ended)}`),
    ...refused.map(({ text }) => ` !     refused: ${text.trim().split('\n').slice(-5).join(' / ')}`),
    ...bad.slice(0, 20).map(each => ` !     #${each.number} ${each.kind}: ${wordsOf(each)}`),
    `=====> ${bad.length} of ${visits.length} failed, truncated or wrong${cutShort ? ' (ended early)' : ''}`,
  ]
  // Once for each container that goes, and once at most for the one after the last.
  const often = told.length > deploys + 1 ? [' !     the WebSocket was told to come again too often'] : []
  const none = [refused, unmet, failing, bad, often].every(each => each.length === 0)
  const fine = none && receipts.length > 0 && !cutShort
  return { fine, lines: [...lines, ...often], visits }
}

function isTold({ outcome }: Visit): boolean {
  return outcome.kind === 'lost' && outcome.why === toldToComeAgain
}

function row(kind: string, visits: readonly Visit[]): string {
  const mine = visits.filter(each => each.kind === kind)
  const took = mine.map(each => each.ended - each.begun).sort((a, b) => a - b)
  return `       ${kind.padEnd(10)} ${String(mine.length).padStart(7)}  median ${took[Math.floor(took.length / 2)] ?? 0} ms, the longest ${took.at(-1) ?? 0} ms`
}

function receiptIn(text: string): string | undefined {
  return text.match(/\d+ requests? across the switch.*/)?.[0].trimEnd()
}

function wordsOf({ outcome }: Visit): string {
  if (outcome.kind === 'answered') return `${outcome.status}`
  return outcome.kind === 'wrong' ? outcome.what : outcome.why
}
