import { readdirSync, readFileSync } from 'node:fs'

import { columns } from './turns.ts'

export interface Kept {
  readonly name: string
  /** Proportional set size, MB: pages that several share are split among them. */
  readonly pss: number
}

/** The daemon, its supervisor and all processes below that, as the kernel counts them (proc(5), smaps_rollup). */
export function takeMemory(daemon: number): Kept[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  const parents = new Map(pids.map(pid => [Number(pid), parentOf(Number(pid))]))
  const top = parentOf(daemon)
  const isOurs = (pid: number | undefined): boolean =>
    pid === top || (pid !== undefined && isOurs(parents.get(pid)))
  return [...parents.keys()].filter(isOurs).map(pid => ({ name: nameOf(pid), pss: pssOf(pid) }))
}

/** One column for each time it was taken; the sum in the last line. */
export function memoryTable(
  taken: Readonly<Record<string, readonly Kept[]>>,
  { target }: { target: number },
): string {
  const times = Object.values(taken)
  const sums = times.map(sum)
  const met = sums.every(each => each <= target)
  return columns([
    ['idle memory (PSS)', ...Object.keys(taken), ''],
    ...times[0]!.map(({ name }, at) => [name, ...times.map(each => mb(each[at]?.pss ?? 0)), '']),
    ['together', ...sums.map(mb), `target: at most ${mb(target)}, ${met ? 'met' : 'missed'}`],
  ])
}

function sum(kept: readonly Kept[]): number {
  return kept.reduce((total, { pss }) => total + pss, 0)
}

function parentOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`)
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) || undefined
}

/** Which part of Davit it is: the word after the program, or the program's own name. */
function nameOf(pid: number): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0').filter(Boolean)
  const program = words.findIndex(word => word.endsWith('.ts'))
  return words[program + 1] ?? words[program]?.replace(/^.*\/|\.ts$/g, '') ?? String(pid)
}

function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024
}

function mb(value: number): string {
  return `${value.toFixed(0)} MB`
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
