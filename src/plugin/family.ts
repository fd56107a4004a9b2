import { readdirSync, readFileSync } from 'node:fs'

import { bounds } from './fence.ts'

/** A process and all that descends from it, looked at while it runs. */
export interface Family {
  /** Ends all that was ever seen of it. */
  end(): void
  /** No more looking. */
  leave(): void
}

const everyMs = 200
const pageBytes = 4096

/** `tooMuch` hears, once, what it uses beyond its bounds. */
export function watchFamily(pid: number, tooMuch: (reason: string) => void): Family {
  const seen = new Map<number, string>()
  const look = () => {
    const members = membersOf(pid)
    for (const each of members) seen.set(each.pid, each.begun)
    const bytes = members.reduce((sum, each) => sum + each.bytes, 0)
    if (members.length > bounds.processes) over(`it ran more than ${bounds.processes} processes`)
    else if (bytes > bounds.bytes) over(`it took more than ${bounds.bytes >> 20} MB of memory`)
  }
  const over = (reason: string) => {
    clearInterval(timer)
    tooMuch(reason)
  }
  const timer = setInterval(look, everyMs)
  return {
    leave: () => clearInterval(timer),
    end() {
      for (const each of membersOf(pid)) seen.set(each.pid, each.begun)
      for (const [each, begun] of seen) if (read(each)?.begun === begun) kill(each)
    },
  }
}

interface Member {
  readonly pid: number
  /** In the kernel's clock: with its number it is this process and no other. */
  readonly begun: string
  readonly bytes: number
}

/** Breadth first, and not many more than may be: whoever forks without end makes them faster than they are read. */
function membersOf(pid: number): readonly Member[] {
  const members: Member[] = []
  for (const queue = [pid]; queue.length > 0 && members.length <= bounds.processes * 2; ) {
    const member = read(queue.shift()!)
    if (!member) continue
    members.push(member)
    queue.push(...childrenOf(member.pid))
  }
  return members
}

/** proc(5), /proc/PID/stat: after the name in brackets, which may hold anything, the fields from the third on. */
function read(pid: number): Member | undefined {
  const text = lines(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields.length < 22) return undefined
  return { pid, begun: fields[19]!, bytes: Number(fields[21]) * pageBytes }
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap(thread =>
      lines(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
    )
  } catch {
    // It has ended.
    return []
  }
}

/** Nothing, where it has ended meanwhile. */
function lines(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
