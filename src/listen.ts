import net from 'node:net'
import { getSystemErrorName } from 'node:util'

import { UserError } from './errors.ts'
import type { Logger } from './log.ts'
import type { Listen } from './settings.ts'

/** A bound socket to hand to children by its descriptor. Whoever holds it keeps waiting connections alive while a child is replaced. */
export interface HeldSocket {
  readonly fd: number
  readonly port: number
  /** For a child that runs already, over the channel to it. */
  readonly handle: Handle
  close(): void
}

/** What Node has for a listening socket; it may be sent to another process of Node (`send`), and listened on there. */
export interface Handle {
  readonly fd: number
  getsockname(out: { port?: number }): number
  close(): void
}

type CreateHandle = (address: string, port: number, family: 4 | 6) => Handle | number

// net.Server cannot bind without accepting, and a connection that the holder accepts is lost to its children. So does node:cluster.
const createHandle = (net as unknown as { _createServerHandle: CreateHandle })._createServerHandle

/** Binds and does not listen. UserErrors `port-taken`, `port-forbidden`, `bad-setting` name the flag. */
export function openSocket({ host, port }: Listen, { flag }: { flag: string }): HeldSocket {
  const address = host === 'localhost' ? '127.0.0.1' : host
  const family = net.isIP(address)
  if (family !== 4 && family !== 6) {
    throw new UserError('bad-setting', `--${flag} is an address and a port, not ${host}:${port}.`)
  }
  const bound = bind(address, port, family)
  if (typeof bound !== 'string') return bound
  // A kernel without IPv6 still has all of IPv4.
  if (address === '::' && withoutIpv6.has(bound)) return openSocket({ host: '0.0.0.0', port }, { flag })
  throw refusal(bound, { host, port }, flag)
}

/** A port for HTTPS that cannot be had is told, and costs nothing but HTTPS. */
export function orNoHttps<T>(open: () => T, log: Logger): T | undefined {
  try {
    return open()
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    log.warn(`nothing is served over HTTPS: ${error.message} ${error.hint ?? ''}`)
    return undefined
  }
}

const withoutIpv6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'])

/** The held socket, or the name of the error. */
function bind(address: string, port: number, family: 4 | 6): HeldSocket | string {
  const handle = createHandle(address, port, family)
  if (typeof handle === 'number') return getSystemErrorName(handle)
  // libuv keeps a taken port to itself until the next call on the handle.
  const name: { port?: number } = {}
  const failed = handle.getsockname(name)
  if (failed === 0) return { fd: handle.fd, port: name.port ?? port, handle, close: () => handle.close() }
  handle.close()
  return getSystemErrorName(failed)
}

function refusal(name: string, { host, port }: Listen, flag: string): UserError {
  const way = `Choose another with: --${flag} ADDRESS:PORT`
  if (name === 'EADDRINUSE') {
    return new UserError('port-taken', `Port ${port} is in use by another program.`, way)
  }
  if (name === 'EACCES' || name === 'EPERM') {
    return new UserError('port-forbidden', `Port ${port} may not be opened by this user.`, way)
  }
  return new UserError('bad-setting', `${host} port ${port} cannot be opened: ${name}.`, way)
}
