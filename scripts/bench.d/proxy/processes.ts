import { readFileSync } from 'node:fs'

import { memoryOf } from '../memory.ts'

/** A process and all below it (proc(5)). */
export function familyOf(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number)
  return [pid, ...children.flatMap(familyOf)]
}

/** Seconds of CPU that these processes have used, user and system. Linux counts for programs in hundredths. */
export function cpuOf(pids: readonly number[]): number {
  return sum(pids.map(pid => ticksIn(read(`/proc/${pid}/stat`)))) / 100
}

/** Ticks of user and system time in a line of /proc/PID/stat: its 14th and 15th field. The name in it may hold anything. */
export function ticksIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** Proportional set size, MB. */
export function pssOf(pids: readonly number[]): number {
  return sum(memoryOf(pids).map(({ pss }) => pss))
}

/** Resident MB; quick enough to be asked all the time. */
export function residentOf(pids: readonly number[]): number {
  const pages = (pid: number) => Number(read(`/proc/${pid}/statm`).split(' ')[1])
  return (sum(pids.map(pages)) * 4096) / 1024 ** 2
}

/** The most that is resident at any time until it is asked, MB. */
export function watchResident(pids: readonly number[]): { most(): number } {
  const seen = [residentOf(pids)]
  let failure: unknown
  const timer = setInterval(() => {
    try {
      seen.push(residentOf(pids))
    } catch (error) {
      failure = error
    }
  }, 50)
  return {
    most() {
      clearInterval(timer)
      if (failure) throw failure
      return Math.max(...seen)
    },
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0)
}

/** Throws when the process has gone: then what was measured is not what should have been. */
function read(path: string): string {
  return readFileSync(path, 'utf8')
}
