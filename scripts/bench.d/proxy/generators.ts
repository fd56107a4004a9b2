import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** What a load generator saw. Latencies are milliseconds. */
export interface Heard {
  readonly seconds: number
  readonly requests: number
  /** Requests that had no answer, or another than 2xx, and connections that failed. */
  readonly errors: number
  readonly p50: number
  readonly p99: number
}

export interface Load {
  readonly url: string
  readonly seconds: number
  readonly connections: number
  readonly signal: AbortSignal
  /** Header lines, `Name: value`. */
  readonly headers?: readonly string[]
}

/** wrk, one thread, keep-alive. `routes`: the hosts of so many routes are asked in turn; `bytes`: of a body that is sent. */
export async function wrk(load: Load, { bytes = 0, routes = 0 } = {}): Promise<Heard> {
  const words = [
    ...['-t', '1', '-c', String(load.connections), '-d', String(load.seconds), '--timeout', '10'],
    ...(load.headers ?? []).flatMap(line => ['-H', line]),
    ...['-s', join(import.meta.dirname, 'report.lua'), load.url, '--', String(bytes), String(routes)],
  ]
  const heard = await listen('wrk', words, load)
  return JSON.parse(heard.trim().split('\n').at(-1)!)
}

/** h2load: HTTP/2 over TLS with so many streams at once on each connection. Its log of all requests is written to `log`. */
export async function h2load(load: Load, { streams, log }: { streams: number; log: string }): Promise<Heard> {
  const words = [
    ...['-t', '1', '-c', String(load.connections), '-m', String(streams), '-D', String(load.seconds)],
    ...(load.headers ?? []).flatMap(line => ['-H', line]),
    ...['--log-file', log, load.url],
  ]
  await rm(log, { force: true })
  const text = await listen('h2load', words, load)
  return { ...readH2load(text, await readFile(log, 'utf8')), seconds: load.seconds }
}

/** Its summary, and a log of `start, status, microseconds` lines (h2load(1), --log-file). */
export function readH2load(summary: string, log: string): Omit<Heard, 'seconds'> {
  const [, failed] = /succeeded, (\d+) failed/.exec(summary) ?? []
  const [, good, ...others] = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(summary) ?? []
  if (failed === undefined || good === undefined) throw new Error(`h2load said:\n${summary}`)
  const times = log
    .split('\n')
    .filter(Boolean)
    .map(line => Number(line.split('\t')[2]) / 1000)
  const errors = [failed, ...others].reduce((sum, count) => sum + Number(count), 0)
  return { requests: Number(good), errors, p50: percentile(times, 50), p99: percentile(times, 99) }
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}

async function listen(program: string, words: readonly string[], { seconds, signal }: Load): Promise<string> {
  const timeout = (seconds + 20) * 1000
  const { stdout } = await promisify(execFile)(program, words, { signal, timeout, maxBuffer: 2 ** 24 })
  return stdout
}
