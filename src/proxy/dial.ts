import net, { type Socket } from 'node:net'

import type { Upstream } from '../types.ts'

/** A connection to an upstream; undefined when there is none in time. */
export function dial({ host, port }: Upstream, timeoutMs: number): Promise<Socket | undefined> {
  return new Promise(resolve => {
    const connection = net.connect({ host, port, noDelay: true })
    const late = setTimeout(() => connection.destroy(), timeoutMs)
    connection.on('error', () => undefined)
    connection.once('connect', () => resolve(connection))
    connection.once('close', () => resolve(undefined))
    connection.once('connect', () => clearTimeout(late))
    connection.once('close', () => clearTimeout(late))
  })
}
