import net, { type Socket } from 'node:net'

import type { Upstream } from '../types.ts'
import { faultOf } from './fault.ts'
import type { Reader } from './reader.ts'

/** A connection to an upstream; undefined when there is none in time, and `failed` is told why. */
export function dial(
  { host, port }: Upstream,
  timeoutMs: number,
  failed?: (why: string) => void,
  reader?: Reader,
): Promise<Socket | undefined> {
  return new Promise(resolve => {
    // Without a port it is the path of a socket.
    const where = port === 0 ? { path: host } : { host, port, noDelay: true }
    const connection = net.connect({ ...where, ...(reader ? { onread: reader } : {}) })
    const late = setTimeout(() => {
      failed?.(`took no connection in ${timeoutMs / 1000} s`)
      connection.destroy()
    }, timeoutMs)
    connection.on('error', error => failed?.(faultOf(error)))
    connection.once('connect', () => resolve(connection))
    connection.once('close', () => resolve(undefined))
    connection.once('connect', () => clearTimeout(late))
    connection.once('close', () => clearTimeout(late))
  })
}
