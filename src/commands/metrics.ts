import { appName, choice, option, optional } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import type { AppMetrics } from '../types.ts'
import { sparkline } from './sparkline.ts'
import { tableOf } from './table.ts'

export const about = 'See what apps are asked, and how they answer'

export const commands = [
  defineCommand({
    name: 'metrics',
    about: 'Show how much an app, or each, was asked in the last minute or two, and in the last half hour',
    reads: true,
    args: {
      app: optional(appName()),
      format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }),
    },
    async run({ app, format }, { core, out, session }) {
      const all = await core.traffic.metrics(app && core.apps.get(app).name)
      if (format === 'json') return out(JSON.stringify(app ? (all[0] ?? null) : all))
      if (all.length === 0) {
        const nobody = app ? `${app} has not` : 'No app has'
        return out.warn(`${nobody} been asked anything since the proxy started.`)
      }
      const { terminal } = session
      for (const line of terminal ? drawn(all, terminal.cols) : tableOf(plain(all))) out(line)
      if (terminal && app) for (const line of course(all[0]!)) out.detail(line)
    },
  }),
]

const heading = ['app', 'req/s', '2xx', '3xx', '4xx', '5xx', 'lost']

/** For a person at a terminal: as much of the last half hour as there is room for beside the numbers. */
function drawn(all: readonly AppMetrics[], columns: number): string[] {
  const rows = shown(all)
  const width = Math.max(...tableOf(rows).map(line => line.length))
  const room = Math.min(30, columns - width - 2)
  if (room < 10) return tableOf(rows)
  const bars = all.map(({ minutes }) => sparkline(minutes.slice(-room).map(each => each.requests)))
  return tableOf(rows.map((row, at) => [...row, at === 0 ? `last ${room} min` : bars[at - 1]!]))
}

function shown(all: readonly AppMetrics[]): string[][] {
  const rest = ['p50', 'p95', 'p99', 'in', 'out', 'now', 'ws']
  return [
    [...heading, ...rest],
    ...all.map(each => [
      ...counts(each),
      ...[each.p50Ms, each.p95Ms, each.p99Ms].map(time),
      ...[each.received, each.sent].map(bytes => `${size(bytes / each.seconds)}/s`),
      ...[each.inFlight, each.webSockets].map(String),
    ]),
  ]
}

/** For a program: numbers alone, in milliseconds and bytes. */
function plain(all: readonly AppMetrics[]): string[][] {
  const rest = ['p50-ms', 'p95-ms', 'p99-ms', 'in-bytes/s', 'out-bytes/s', 'in-flight', 'websockets']
  return [
    [...heading, ...rest],
    ...all.map(each => [
      ...counts(each),
      ...[each.p50Ms, each.p95Ms, each.p99Ms].map(ms => (ms === null ? '-' : ms.toFixed(1))),
      ...[each.received, each.sent].map(bytes => (bytes / each.seconds).toFixed(0)),
      ...[each.inFlight, each.webSockets].map(String),
    ]),
  ]
}

function counts({ app, requests, seconds, statuses, lost }: AppMetrics): string[] {
  return [app ?? '(no app)', (requests / seconds).toFixed(1), ...[...statuses.slice(1), lost].map(String)]
}

/** How the last half hour went, minute by minute. */
function course({ minutes, tcp, seconds }: AppMetrics): string[] {
  const requests = minutes.map(each => each.requests)
  const errors = minutes.map(each => each.errors)
  const p95 = minutes.map(each => each.p95Ms)
  const slowest = Math.max(...p95.map(each => each ?? 0))
  return [
    `requests  ${sparkline(requests)}  at most ${Math.max(...requests)} a minute`,
    `5xx       ${sparkline(errors)}  at most ${Math.max(...errors)} a minute`,
    `p95       ${sparkline(p95)}  at most ${time(slowest)}`,
    ...(tcp ? [`tcp       ${bytesOf(tcp, seconds)}`] : []),
  ]
}

function bytesOf({ open, connections, failed, received, sent }: Tcp, seconds: number): string {
  const [inward, outward] = [received, sent].map(bytes => `${size(bytes / seconds)}/s`)
  const nowhere = failed === 0 ? '' : `, ${failed} led nowhere`
  return `${open} open, ${connections} new${nowhere}, ${inward} in, ${outward} out`
}

type Tcp = NonNullable<AppMetrics['tcp']>

function time(ms: number | null): string {
  if (ms === null) return '-'
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`
}

function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB']
  let left = bytes
  while (left >= 1000 && units.length > 1) {
    left /= 1000
    units.shift()
  }
  return `${left < 10 && left > 0 && units[0] !== 'B' ? left.toFixed(1) : left.toFixed(0)} ${units[0]}`
}
