import { readdirSync, readFileSync } from 'node:fs'

import { columns } from './turns.ts'

export interface Kept {
  readonly name: string
  /** Proportional set size, MB: pages that several of them share are split among them. */
  readonly pss: number
}

/**
 * The daemon, its supervisor and all processes below that, as the kernel counts them (proc(5), smaps), but as if no other program ran
 * from the same files: another Node would halve what the first one seems to keep.
 */
export function takeMemory(daemon: number): Kept[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  const parents = new Map(pids.map(pid => [Number(pid), parentOf(Number(pid))]))
  const top = parentOf(daemon)
  const isOurs = (pid: number | undefined): boolean =>
    pid === top || (pid !== undefined && isOurs(parents.get(pid)))
  return memoryOf([...parents.keys()].filter(isOurs)).map(({ pid, pss }) => ({ name: nameOf(pid), pss }))
}

/** What these processes keep, MB each. */
export function memoryOf(pids: readonly number[]): { readonly pid: number; readonly pss: number }[] {
  const taken = pids.map(pid => ({ pid, ...mapped(pid) }))
  const share = sharing(taken.map(each => each.files))
  return taken.map(({ pid, own, files }) => {
    const shared = [...files].map(([file, kb]) => kb * share(file))
    return { pid, pss: (own + sum(shared)) / 1024 }
  })
}

interface Mapped {
  /** Memory that is no file's, kB. */
  readonly own: number
  /** Resident kB by file. */
  readonly files: ReadonlyMap<string, number>
}

function mapped(pid: number): Mapped {
  const files = new Map<string, number>()
  let own = 0
  for (const each of read(`/proc/${pid}/smaps`).split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const file = /^\S+ \S+ \S+ \S+ \d+ +(\/.*)$/m.exec(each)?.[1]
    const kb = (field: string) => Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(each)?.[1] ?? 0)
    if (file === undefined) own += kb('Pss')
    else files.set(file, (files.get(file) ?? 0) + kb('Rss'))
  }
  return { own, files }
}

/** Of a file, what the one with the most has resident is there once; each has its part of that. */
function sharing(all: readonly Mapped['files'][]): (file: string) => number {
  return file => {
    const each = all.map(files => files.get(file) ?? 0)
    return Math.max(...each) / (sum(each) || 1)
  }
}

/** One column for each time it was taken; the sum in the last line. */
export function memoryTable(
  taken: Readonly<Record<string, readonly Kept[]>>,
  { target }: { target: number },
): string {
  const times = Object.values(taken)
  const sums = times.map(kept => sum(kept.map(each => each.pss)))
  const met = sums.every(each => each <= target)
  return columns([
    ['idle memory (PSS)', ...Object.keys(taken), ''],
    ...times[0]!.map(({ name }, at) => [name, ...times.map(each => mb(each[at]?.pss ?? 0)), '']),
    ['together', ...sums.map(mb), `target: at most ${mb(target)}, ${met ? 'met' : 'missed'}`],
  ])
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0)
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
