import { readFileSync } from 'node:fs'

import type { Runner } from './program.ts'

/** The user that executable plugins run as, where there is one and this process may become it. */
const name = 'davit-plugin'

/** Linux's numbers of CAP_KILL, CAP_SETGID and CAP_SETUID (capability.h). */
const needed = [5n, 6n, 7n]

/**
 * Undefined: they run as the daemon itself. So it is where that is root, in a sandbox: what it has there, in a folder of its own, another user
 * cannot reach.
 */
export function findPluginUser({
  passwd = '/etc/passwd',
  status = '/proc/self/status',
} = {}): Runner['user'] {
  if (process.getuid?.() === 0) return undefined
  const line = readFileSync(passwd, 'utf8')
    .split('\n')
    .find(each => each.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync(status, 'utf8')) ?? []
  const held = BigInt(`0x${effective}`)
  if (uid === undefined || gid === undefined || !needed.every(each => (held >> each) & 1n)) return undefined
  return { uid: Number(uid), gid: Number(gid) }
}
