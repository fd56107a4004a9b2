import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { outputOf } from './processes.ts'

/** What testssl.sh has against a TLS server. */
export interface Judgement {
  /** Worse than LOW. */
  readonly findings: readonly string[]
  /** What it could not find out. */
  readonly untold: readonly string[]
  readonly severities: Readonly<Record<string, number>>
}

interface Told {
  readonly id: string
  readonly severity: string
  readonly finding: string
}

export async function judgeTls(
  port: number,
  { authority, dir, signal }: { authority: string; dir: string; signal: AbortSignal },
): Promise<Judgement> {
  const file = join(dir, 'testssl.json')
  await outputOf(
    [
      ...['testssl', '--quiet', '--warnings', 'batch', '--color', '0', '--add-ca', authority],
      ...['--jsonfile', file, `https://localhost:${port}`],
    ],
    signal,
  )
  const told: readonly Told[] = JSON.parse(await readFile(file, 'utf8'))
  if (told.length < 100) throw new Error(`testssl.sh has told no more than ${told.length} things`)
  const all = (fits: (each: Told) => boolean) =>
    told.filter(fits).map(({ id, severity, finding }) => `${severity} ${id}: ${finding}`)
  return {
    findings: all(({ id, severity }) => worse.has(severity) && !notOurs.test(id)),
    untold: all(({ severity }) => severity === 'WARN'),
    severities: countsOf(told.map(({ severity }) => severity)),
  }
}

const worse: ReadonlySet<string> = new Set(['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'])

/** The certificate is the attack's own, and fields of security are the app's to say. */
const notOurs = /^(?:cert_|security_headers$)/

function countsOf(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
