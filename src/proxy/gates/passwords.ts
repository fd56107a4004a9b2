import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

import { type PasswordHash, passwordHash } from '../../edge/password.ts'

/** busy: so many are being checked that this one was not. */
export type Check = 'right' | 'wrong' | 'busy'

/**
 * Checks passwords against scrypt hashes, off the event loop and a few at a time. What came of it is remembered for a while, under a
 * keyed hash of both: a browser sends its password with every request, and a check costs some 50 ms.
 */
export interface Passwords {
  /** At once where it is remembered. `client` may have only so many under way. */
  check(hash: string, password: string, client: string): Check | Promise<Check>
}

const rememberedMs = { right: 600_000, wrong: 60_000 }
/** Of each kind, per worker. */
const rememberedMost = 10_000
/** Threads that scrypt may have of libuv's four: files are read by the others. */
const atOnce = 2
const waitingMost = 64
const perClient = 4

export function openPasswords(): Passwords {
  const key = randomBytes(32)
  const known = { right: openRecent(rememberedMs.right), wrong: openRecent(rememberedMs.wrong) }
  const underWay = new Map<string, Promise<Check>>()
  const clients = new Map<string, number>()
  const turns = openTurns(atOnce)

  async function work(name: string, hash: string, password: string): Promise<Check> {
    const check = await turns(() => matches(passwordHash(hash), password))
    known[check ? 'right' : 'wrong'].add(name)
    return check ? 'right' : 'wrong'
  }

  return {
    check(hash, password, client) {
      const name = createHmac('sha256', key).update(hash).update('\0').update(password).digest('base64')
      if (known.right.has(name)) return 'right'
      if (known.wrong.has(name)) return 'wrong'
      const same = underWay.get(name)
      if (same !== undefined) return same
      const mine = clients.get(client) ?? 0
      if (underWay.size >= waitingMost + atOnce || mine >= perClient) return 'busy'
      clients.set(client, mine + 1)
      const checking = work(name, hash, password).finally(() => {
        underWay.delete(name)
        const left = clients.get(client)! - 1
        if (left === 0) clients.delete(client)
        else clients.set(client, left)
      })
      underWay.set(name, checking)
      return checking
    },
  }
}

/** Names for a while; the oldest go first when there are too many. */
function openRecent(forMs: number) {
  const until = new Map<string, number>()
  return {
    has(name: string): boolean {
      const end = until.get(name)
      if (end === undefined) return false
      if (end > performance.now()) return true
      until.delete(name)
      return false
    },
    add(name: string): void {
      until.delete(name)
      until.set(name, performance.now() + forMs)
      if (until.size > rememberedMost) until.delete(until.keys().next().value!)
    },
  }
}

/** So many pieces of work at once; the others in their order. */
function openTurns(most: number) {
  const waiting: (() => void)[] = []
  let running = 0
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running === most) await new Promise<void>(resolve => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}

function matches(
  { cost, blockSize, parallel, salt, hash }: PasswordHash,
  password: string,
): Promise<boolean> {
  const options = { cost, blockSize, parallelization: parallel, maxmem: 256 * cost * blockSize }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, options, (error, made) => {
      if (error) reject(error)
      else resolve(timingSafeEqual(made, hash))
    })
  })
}
