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
    const connection = net.connect({ host, port, noDelay: true, ...(reader ? { onread: reader } : {}) })
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
