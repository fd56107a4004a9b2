import { doublingsOf, type Sums, type Total } from './sums.ts'
import { slot } from './tally.ts'

export const contentType = 'text/plain; version=0.0.4; charset=utf-8'

export interface Facts {
  readonly version: string
  readonly workers: number
  /** Seconds since 1970. */
  readonly startedAt: number
}

type Kind = 'counter' | 'gauge' | 'histogram'
type Labels = Readonly<Record<string, string>>
type Sample = readonly [suffix: string, labels: Labels, value: number]

/** All counts in Prometheus' text format, version 0.0.4: seconds and bytes, an app a label. */
export function expositionOf(sums: Sums, { version, workers, startedAt }: Facts): string {
  const all = sums.totals()
  const apps = all.filter((each): each is AppTotal => each.app !== undefined)
  const stray = all.find(each => each.app === undefined)
  const each = (value: (total: AppTotal) => number): Sample[] =>
    apps.map(total => ['', { app: total.app }, value(total)])
  const tcp = (value: (total: AppTotal) => number): Sample[] =>
    apps.filter(({ slots }) => slots[slot.tunnels]! > 0).map(total => ['', { app: total.app }, value(total)])
  const count = (at: number) => each(({ slots }) => slots[at]!)
  return [
    family('requests_total', 'counter', 'Requests that are over, by class of status.', apps.flatMap(classes)),
    family(
      'request_duration_seconds',
      'histogram',
      'Time from the arrival of a request until its answer was whole; without WebSockets.',
      apps.flatMap(durations),
    ),
    family('received_bytes_total', 'counter', 'Bytes of request bodies.', count(slot.received)),
    family('sent_bytes_total', 'counter', 'Bytes of answer bodies.', count(slot.sent)),
    family(
      'lost_requests_total',
      'counter',
      'Requests that got no answer from their app, or half of one.',
      count(slot.lost),
    ),
    family('retries_total', 'counter', 'Upstreams asked because another failed.', count(slot.retries)),
    family(
      'ejections_total',
      'counter',
      'Upstreams set aside because they kept failing.',
      count(slot.ejections),
    ),
    family(
      'requests_in_flight',
      'gauge',
      'Requests under way.',
      each(({ inFlight }) => inFlight),
    ),
    family(
      'websockets_open',
      'gauge',
      'WebSockets open.',
      each(({ webSockets }) => webSockets),
    ),
    family(
      'tcp_connections_total',
      'counter',
      'Connections to tcp ports.',
      tcp(({ slots }) => slots[slot.tunnels]!),
    ),
    family(
      'tcp_failed_connections_total',
      'counter',
      'Connections to tcp ports that led nowhere.',
      tcp(({ slots }) => slots[slot.tunnelsFailed]!),
    ),
    family(
      'tcp_connections_open',
      'gauge',
      'Connections to tcp ports that are open.',
      tcp(({ tunnels }) => tunnels),
    ),
    family(
      'tcp_received_bytes_total',
      'counter',
      'Bytes from clients of tcp ports.',
      tcp(({ slots }) => slots[slot.tunnelReceived]!),
    ),
    family(
      'tcp_sent_bytes_total',
      'counter',
      'Bytes to clients of tcp ports.',
      tcp(({ slots }) => slots[slot.tunnelSent]!),
    ),
    family(
      'stray_requests_total',
      'counter',
      'Requests that reached no app, by class of status.',
      stray ? classes(stray) : [],
    ),
    family(
      'malformed_requests_total',
      'counter',
      'Times that bytes came which were no request.',
      one(sums.noise()),
    ),
    family(
      'log_lines_dropped_total',
      'counter',
      'Lines of logs that found no room or no disk.',
      one(sums.dropped()),
    ),
    family('proxy_workers', 'gauge', 'Processes that serve.', one(workers)),
    family('proxy_start_time_seconds', 'gauge', 'When the proxy started, since 1970.', one(startedAt)),
    family('build_info', 'gauge', 'Always 1; the version is a label.', [['', { version }, 1]]),
  ].join('')
}

type AppTotal = Total & { readonly app: string }

function one(value: number): Sample[] {
  return [['', {}, value]]
}

function classes({ app, slots }: Total): Sample[] {
  return [1, 2, 3, 4, 5].map(digit => [
    '',
    { ...(app === undefined ? {} : { app }), code: `${digit}xx` },
    slots[slot.class + digit]!,
  ])
}

function durations({ app, slots }: AppTotal): Sample[] {
  const bounds = doublingsOf(slots)
  const buckets = bounds.map(
    ({ ms, count }): Sample => [
      '_bucket',
      { app, le: ms === Number.POSITIVE_INFINITY ? '+Inf' : String(ms / 1000) },
      count,
    ],
  )
  return [...buckets, ['_sum', { app }, slots[slot.ms]! / 1000], ['_count', { app }, bounds.at(-1)!.count]]
}

/** Nothing to tell, no family. */
function family(name: string, kind: Kind, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return ''
  const lines = samples.map(([suffix, labels, value]) => `davit_${name}${suffix}${labelsOf(labels)} ${value}`)
  return `${[`# HELP davit_${name} ${help}`, `# TYPE davit_${name} ${kind}`, ...lines].join('\n')}\n`
}

function labelsOf(labels: Labels): string {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return all.length === 0 ? '' : `{${all.join(',')}}`
}

function escaped(value: string): string {
  return value.replace(/["\\\n]/g, sign => (sign === '\n' ? '\\n' : `\\${sign}`))
}
