import { type AccessEntry, combinedOf } from '../edge/entries.ts'
import type { Trip } from './trip.ts'

/** Trips as lines, plain ASCII whatever a client sent: a line is one line, and harmless on a terminal. */
export interface Lines {
  access(trip: Trip, form: 'json' | 'combined'): string
  /** A request that came to nothing, and why. */
  error(trip: Trip, why: string): string
  /** Anything else that an error log tells. */
  other(facts: Readonly<Record<string, string | number | undefined>>): string
}

/** Written in place of the time of a client that left unanswered, as nginx does. */
const left = 499

export function openLines(): Lines {
  const timeOf = clock()
  return {
    access: (trip, form) => {
      if (form === 'combined') return `${combinedOf(entryOf(trip, timeOf))}\n`
      return jsonOf(trip, timeOf(trip.at))
    },
    error(trip, why) {
      const app = trip.app === undefined ? '' : `,"app":"${trip.app}"`
      const release = trip.release === undefined ? '' : `,"release":${trip.release}`
      const upstream = trip.failed === undefined ? '' : `,"upstream":"${trip.failed}"`
      const call = trip.callStatus === undefined ? '' : callOf(trip.callStatus)
      return `{"time":"${timeOf(Date.now())}","id":${quoted(idOf(trip))}${app}${release},"client":${quoted(clientOf(trip))},"method":${quoted(trip.visitor.method)},"host":${quoted(hostOf(trip))},"path":${quoted(pathOf(trip))},"status":${statusOf(trip)}${call}${upstream},"why":${quoted(why)}}\n`
    },
    other: facts => {
      const rest = Object.entries(facts).flatMap(([name, value]) =>
        value === undefined ? [] : [`,"${name}":${typeof value === 'number' ? value : quoted(value)}`],
      )
      return `{"time":"${timeOf(Date.now())}"${rest.join('')}}\n`
    },
  }
}

/** Put together by hand: it is done for every request, and JSON.stringify would cost three times as much. Ids and hostnames are plain. */
function jsonOf(trip: Trip, time: string): string {
  const { visitor, asked, app, release, upstream, connectMs, firstByteMs, retries, callStatus } = trip
  const { agent, referer } = saidOf(visitor.fields)
  const { tls } = visitor
  return (
    `{"time":"${time}","id":"${idOf(trip)}"` +
    (app === undefined ? '' : `,"app":"${app}"`) +
    (release === undefined ? '' : `,"release":${release}`) +
    `,"client":${quoted(clientOf(trip))},"scheme":"${asked?.scheme ?? visitor.scheme}","version":"${visitor.version}"` +
    (tls === undefined ? '' : `,"tls":"${tls}"`) +
    `,"method":${visitor.method === 'GET' ? '"GET"' : quoted(visitor.method)}` +
    `,"host":${asked === undefined ? quoted(hostOf(trip)) : `"${asked.hostname}"`},"path":${quoted(pathOf(trip))}` +
    `,"status":${statusOf(trip)}${callStatus === undefined ? '' : callOf(callStatus)}` +
    `,"bytes_in":${visitor.taken},"bytes_out":${visitor.bytes}` +
    (agent === undefined ? '' : `,"agent":${quoted(agent)}`) +
    (referer === undefined ? '' : `,"referer":${quoted(referer)}`) +
    (upstream === undefined ? '' : `,"upstream":"${upstream}"`) +
    (connectMs === undefined ? '' : `,"connect_ms":${hundredths(connectMs)}`) +
    (firstByteMs === undefined ? '' : `,"first_byte_ms":${hundredths(firstByteMs)}`) +
    `,"total_ms":${hundredths(trip.lasted())}${retries === 0 ? '' : `,"retries":${retries}`}}\n`
  )
}

/** For the forms that few ask for. */
function entryOf(trip: Trip, timeOf: (at: number) => string): AccessEntry {
  const { agent, referer } = saidOf(trip.visitor.fields)
  return {
    time: timeOf(trip.at),
    id: idOf(trip),
    client: clientOf(trip),
    scheme: trip.asked?.scheme ?? trip.visitor.scheme,
    version: trip.visitor.version,
    method: trip.visitor.method,
    host: hostOf(trip),
    path: textOf(pathOf(trip)),
    status: statusOf(trip),
    bytes_in: trip.visitor.taken,
    bytes_out: trip.visitor.bytes,
    total_ms: trip.lasted(),
    ...(agent === undefined ? {} : { agent: textOf(agent) }),
    ...(referer === undefined ? {} : { referer: textOf(referer) }),
  }
}

export function statusOf({ visitor, webSocket }: Trip): number {
  if (webSocket) return 101
  return visitor.status === 0 ? left : visitor.status
}

/** A number, unless the app says something else. */
function callOf(said: string): string {
  return `,"grpc_status":${/^(?:0|[1-9]\d{0,2})$/.test(said) ? said : quoted(cut(said, 32))}`
}

function idOf({ asked, refused }: Trip): string {
  return asked?.id ?? refused?.id ?? ''
}

function clientOf({ asked, refused }: Trip): string {
  return asked?.client ?? refused?.client ?? ''
}

/** Of a request that was refused: as it was said, for it may be none. */
function hostOf({ asked, visitor }: Trip): string {
  return asked?.hostname ?? cut(visitor.authority ?? saidOf(visitor.fields).host ?? '')
}

function pathOf({ asked, visitor }: Trip): string {
  return cut(asked?.path ?? visitor.target)
}

/** Two fields of the client, out of which no secrets are told: what it is, and where it came from. */
function saidOf(fields: readonly string[]) {
  let agent: string | undefined
  let referer: string | undefined
  let host: string | undefined
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    if (name.length === 10 && name.toLowerCase() === 'user-agent') agent ??= cut(fields[at + 1]!, 1024)
    else if (name.length === 7 && name.toLowerCase() === 'referer') referer ??= cut(fields[at + 1]!, 1024)
    else if (name.length === 4 && name.toLowerCase() === 'host') host ??= fields[at + 1]!
  }
  return { agent, referer, host }
}

/** A line has an end, whatever a client sends. */
function cut(text: string, longest = 2048): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}...`
}

const unplain = /[^\x20\x21\x23-\x5b\x5d-\x7e]/

/** A JSON string. Bytes over 0x7f come as Node reads them, one character each, and are taken for UTF-8 where they are. */
function quoted(text: string): string {
  if (!unplain.test(text)) return `"${text}"`
  return JSON.stringify(textOf(text)).replace(
    /[\x7f-\uffff]/g,
    sign => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function textOf(raw: string): string {
  if (!/[\x80-\xff]/.test(raw)) return raw
  const text = Buffer.from(raw, 'latin1').toString('utf8')
  return text.includes('\ufffd') ? raw : text
}

/** Two digits after the point, of whole numbers: the shortest form of a fraction takes longer to find. */
function hundredths(ms: number): string {
  const all = Math.round(ms * 100)
  const rest = all % 100
  return `${(all - rest) / 100}.${rest < 10 ? '0' : ''}${rest}`
}

/** ISO 8601 with milliseconds, UTC. What stays the same for a second is made once a second. */
function clock(): (at: number) => string {
  let second = -1
  let start = ''
  return at => {
    const now = Math.floor(at / 1000)
    if (now !== second) {
      second = now
      start = new Date(now * 1000).toISOString().slice(0, 20)
    }
    const ms = at - now * 1000
    return `${start}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
  }
}
