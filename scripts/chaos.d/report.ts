import type { Visit } from '../../test/e2e/visitors.ts'
import type { Change, Guest, Version } from './changes.ts'
import { explains, type Strike } from './faults.ts'

export interface Report {
  /** Nothing was lost that no fault explains, nothing was wrong, and everything is back. */
  readonly fine: boolean
  readonly lines: readonly string[]
}

export interface Happened {
  readonly seed: number
  /** How long after a fault is over everything has to be back. */
  readonly withinMs: number
  readonly began: number
  readonly strikes: readonly Strike[]
  readonly visits: readonly Visit[]
  readonly changes: readonly Change[]
  readonly versions: readonly Version[]
  readonly guests: readonly Guest[]
  /** Of the pushes after the last fault those that failed; undefined when it was ended early. */
  readonly last: readonly Change[] | undefined
  readonly left: readonly string[]
}

const slowMs = 2_000
/** Containers that a change replaced keep their WebSockets for `wait-to-retire` and a little. */
const retireMs = 6_000

export function reportOf(happened: Happened): Report {
  const { seed, withinMs, began, strikes, visits, changes, guests, last, left } = happened
  const lost = visits.filter(({ outcome }) => outcome.kind === 'lost')
  const unexplained = lost.filter(visit => reasonOf(visit, happened) === undefined)
  const wrong = [
    ...visits.filter(({ outcome }) => outcome.kind === 'wrong'),
    ...visits.filter(visit => isStale(visit, happened)),
  ]
  const failed = changes.filter(each => !each.fine)
  const unasked = failed.filter(change => !strikes.some(strike => stops(strike, change)))
  const late = strikes.filter(each => backAfterMs(each, strikes) > withinMs)
  const at = (time: number) => `${((time - began) / 1000).toFixed(1)} s`
  const tell = (visit: Visit) =>
    ` !     #${visit.number} ${visit.kind} at ${visit.host}, ${at(visit.begun)} to ${at(visit.ended)}: ${wordsOf(visit)}`
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
    ...(guests.length > 0
      ? [`       ${guests.length} apps came and went, ${heirs(guests)} of them at an address of one before`]
      : []),
    `       ${changes.length} changes (${tally(changes.map(({ what }) => what.replace(/(push|ps:\w+|apps:destroy) .*/, '$1')))}), ${failed.length} failed, ${unasked.length} of them unexplained`,
    ...unasked.map(
      each => ` !     ${each.what}, ${at(each.begun)} to ${at(each.ended)}:\n${indented(each.said)}`,
    ),
    `       everything was back within ${withinMs / 1000} s of ${strikes.length - late.length} of ${strikes.length} faults`,
    ...late.map(each => ` !     ${each.fault.name} at ${at(each.at)} was got over ${tookOf(each, strikes)}`),
    ...left.map(each => ` !     left over: ${each}`),
    ...(last ?? []).map(each => ` !     the last push of ${each.app} failed:\n${indented(each.said)}`),
  ]
  const fine = [unexplained, wrong, unasked, late, left, last ?? []].every(each => each.length === 0)
  return { fine, lines: [...lines, `=====> ${verdict(fine, last)}`] }
}

function verdict(fine: boolean, last: readonly Change[] | undefined): string {
  if (!last) return 'Ended early'
  return fine ? 'Everything is explained, and nothing is left over' : 'Not everything is explained'
}

/** What may have cost the visit: a fault, the end of its app, or for a WebSocket the end of the container it led to. */
function reasonOf(visit: Visit, { strikes, changes }: Happened): string | undefined {
  const strike = strikes.find(each => explains(each, visit))
  if (strike) return strike.fault.name
  if (isLeaving(visit, changes)) return 'an app that went'
  if (visit.kind !== 'websocket' || visit.outcome.kind !== 'lost' || visit.outcome.status !== undefined)
    return undefined
  const replaced = changes.some(
    each => isOf(each, visit) && each.begun <= visit.ended && visit.ended <= each.ended + retireMs,
  )
  return replaced ? 'a change' : undefined
}

/** Whoever is being answered by an app while it is destroyed is cut off. */
function isLeaving(visit: Visit, changes: readonly Change[]): boolean {
  return changes.some(
    each => isOf(each, visit) && isEnd(each) && each.begun <= visit.ended && visit.begun <= each.ended,
  )
}

function isOf({ app }: Change, { host }: Visit): boolean {
  return host === `${app}.localhost`
}

function isEnd({ what }: Change): boolean {
  return what.includes('apps:destroy')
}

/**
 * Answered by a version before one that had been taken when it was asked, by one that nobody had pushed yet, or told that there is no
 * such app while there was.
 */
function isStale(visit: Visit, { versions, changes }: Happened): boolean {
  const { outcome, kind, begun, ended } = visit
  if (outcome.kind !== 'answered' || kind === 'websocket') return false
  if (outcome.status !== 200)
    return !changes.some(each => isOf(each, visit) && isEnd(each) && each.begun <= ended)
  const ours = versions.filter(each => visit.host === `${each.app}.localhost`)
  const place = ours.findIndex(each => each.name === outcome.version)
  if (place === -1 || ours[place]!.tried > ended) return true
  return ours.slice(place + 1).some(({ taken = Infinity }) => taken < begun)
}

/** From when it was over, and with it those that came in between. */
function backAfterMs({ over = Infinity }: Strike, strikes: readonly Strike[]): number {
  return over - Math.max(...strikes.filter(each => each.at <= over).map(each => Math.min(each.done, over)))
}

function tookOf(strike: Strike, strikes: readonly Strike[]): string {
  return strike.over === undefined ? 'not at all' : `after ${backAfterMs(strike, strikes)} ms`
}

function stops({ fault, app, at, over = Infinity }: Strike, change: Change): boolean {
  if (app !== undefined && app !== change.app) return false
  return fault.stopsChanges && at <= change.ended && change.begun <= over
}

/** Guests that lived where another one had lived before. */
function heirs(guests: readonly Guest[]): number {
  return guests.filter(({ addresses }, at) =>
    addresses.some(address => guests.slice(0, at).some(each => each.addresses.includes(address))),
  ).length
}

function isSlow({ begun, ended }: Visit): boolean {
  return ended - begun > slowMs
}

function wordsOf({ outcome }: Visit): string {
  if (outcome.kind === 'wrong') return outcome.what
  return outcome.kind === 'lost'
    ? outcome.why
    : `answered by ${outcome.version || outcome.status} at that time`
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
