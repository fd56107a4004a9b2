import type { Visit } from '../../test/e2e/visitors.ts'
import type { Change, Version } from './changes.ts'
import { explains, type Strike } from './faults.ts'

export interface Report {
  /** Nothing was lost that no fault explains, nothing was wrong, and everything is back. */
  readonly fine: boolean
  readonly lines: readonly string[]
}

export interface Happened {
  readonly seed: number
  readonly began: number
  readonly strikes: readonly Strike[]
  readonly visits: readonly Visit[]
  readonly changes: readonly Change[]
  readonly versions: readonly Version[]
  /** The push after the last fault; undefined when it was ended early. */
  readonly last: Change | undefined
  readonly left: readonly string[]
}

const slowMs = 2_000
/** Containers that a change replaced keep their WebSockets for `wait-to-retire` and a little. */
const retireMs = 6_000

export function reportOf(happened: Happened): Report {
  const { seed, began, strikes, visits, changes, last, left } = happened
  const lost = visits.filter(({ outcome }) => outcome.kind === 'lost')
  const unexplained = lost.filter(visit => reasonOf(visit, happened) === undefined)
  const wrong = [
    ...visits.filter(({ outcome }) => outcome.kind === 'wrong'),
    ...visits.filter(visit => isStale(visit, happened)),
  ]
  const failed = changes.filter(each => !each.fine)
  const unasked = failed.filter(change => !strikes.some(strike => stops(strike, change)))
  const away = strikes.filter(each => each.over === undefined)
  const at = (time: number) => `${((time - began) / 1000).toFixed(1)} s`
  const tell = (visit: Visit) =>
    ` !     #${visit.number} ${visit.kind}, ${at(visit.begun)} to ${at(visit.ended)}: ${wordsOf(visit)}`
  const ended = Math.max(began, ...visits.map(each => each.ended))

  const lines = [
    `=====> ${strikes.length} faults in ${at(ended)}, seed ${seed}`,
    ...table(happened),
    '',
    `       ${visits.length} visits (${tally(visits.map(each => each.kind))})`,
    `       ${visits.filter(each => each.again).length} asked again because a kept connection was closed`,
    `       ${lost.length} lost, ${unexplained.length} of them unexplained (${tally(lost.map(each => reasonOf(each, happened) ?? 'nobody knows'))})`,
    ...unexplained.slice(0, 20).map(tell),
    `       ${wrong.length} wrong`,
    ...wrong.slice(0, 20).map(tell),
    `       ${visits.filter(isSlow).length} took more than ${slowMs / 1000} s, the longest ${Math.max(0, ...visits.map(each => each.ended - each.begun))} ms`,
    `       ${changes.length} changes (${tally(changes.map(({ what }) => what.replace(/ v\d+$/, '').replace(/ web=.*/, '')))}), ${failed.length} failed, ${unasked.length} of them unexplained`,
    ...unasked.map(
      each => ` !     ${each.what}, ${at(each.begun)} to ${at(each.ended)}:\n${indented(each.said)}`,
    ),
    ...away.map(each => ` !     ${each.fault.name} at ${at(each.at)} was not got over`),
    ...left.map(each => ` !     left over: ${each}`),
    ...(last && !last.fine ? [` !     the last push failed:\n${indented(last.said)}`] : []),
  ]
  const fine =
    [unexplained, wrong, unasked, away, left].every(each => each.length === 0) && last?.fine !== false
  return { fine, lines: [...lines, `=====> ${verdict(fine, last)}`] }
}

function verdict(fine: boolean, last: Change | undefined): string {
  if (!last) return 'Ended early'
  return fine ? 'Everything is explained, and nothing is left over' : 'Not everything is explained'
}

/** What may have cost the visit: a fault, or for a WebSocket the end of the container it led to. */
function reasonOf(visit: Visit, { strikes, changes }: Happened): string | undefined {
  const strike = strikes.find(each => explains(each, visit))
  if (strike) return strike.fault.name
  if (visit.kind !== 'websocket' || visit.outcome.kind !== 'lost' || visit.outcome.status !== undefined)
    return undefined
  const replaced = changes.some(each => each.begun <= visit.ended && visit.ended <= each.ended + retireMs)
  return replaced ? 'a change' : undefined
}

/** Answered by a version before one that had been taken when it was asked, or by one that nobody had pushed yet. */
function isStale({ outcome, kind, begun, ended }: Visit, { versions }: Happened): boolean {
  if (outcome.kind !== 'answered' || outcome.status !== 200 || kind === 'websocket') return false
  const place = versions.findIndex(each => each.name === outcome.version)
  if (place === -1 || versions[place]!.tried > ended) return true
  return versions.slice(place + 1).some(({ taken = Infinity }) => taken < begun)
}

function stops({ fault, at, over = Infinity }: Strike, { begun, ended }: Change): boolean {
  return fault.stopsChanges && at <= ended && begun <= over
}

function isSlow({ begun, ended }: Visit): boolean {
  return ended - begun > slowMs
}

function wordsOf({ outcome }: Visit): string {
  if (outcome.kind === 'wrong') return outcome.what
  return outcome.kind === 'lost' ? outcome.why : `answered by ${outcome.version || outcome.status}`
}

function table({ strikes, visits }: Happened): string[] {
  const names = [...new Set(strikes.map(each => each.fault.name))].sort()
  return names.map(name => {
    const mine = strikes.filter(each => each.fault.name === name)
    const cost = visits.filter(visit => mine.some(each => explains(each, visit))).length
    const back = mine.flatMap(({ at, over }) => (over === undefined ? [] : over - at)).sort((a, b) => a - b)
    const middle = back[Math.floor(back.length / 2)] ?? 0
    return `       ${name.padEnd(17)} ${String(mine.length).padStart(3)} times, cost ${cost} visits, back after ${middle} ms (the longest ${back.at(-1) ?? 0} ms)`
  })
}

function tally(words: readonly string[]): string {
  const counts = Object.entries(Object.groupBy(words, word => word))
  return counts.map(([word, each]) => `${word} ${each!.length}`).join(', ') || 'none'
}

function indented(text: string): string {
  return text
    .trim()
    .split('\n')
    .slice(-12)
    .map(line => `         ${line}`)
    .join('\n')
}
