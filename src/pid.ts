import { readFileSync } from 'node:fs'

/** The living process that a pid file names. A file may also say when the process began, for pids come again. */
export function alive(path: string): number | undefined {
  const [pid, began] = read(path).trim().split(' ')
  if (!pid || !/^[1-9]\d*$/.test(pid) || Number(pid) === process.pid) return undefined
  const start = startOf(Number(pid))
  return start && (!began || began === start) ? Number(pid) : undefined
}

/** When a process began, in ticks after boot; '' when there is none (proc(5), field 22 of stat). */
export function startOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? '' : (fields[19] ?? '')
}

export function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
