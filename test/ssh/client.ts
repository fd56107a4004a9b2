import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'

import ssh2, { type Client, type ClientChannel, type ConnectConfig, type ExecOptions } from 'ssh2'
import type { Test } from 'tap'

import type { Door } from './door.ts'

/** What a client must not do, said through the library's insides. */
interface Inside {
  readonly _sock: Socket
  readonly _protocol: {
    channelData(id: number, data: Buffer): void
    channelWindowAdjust(id: number, bytes: number): void
    session(id: number, window: number, packetSize: number): void
    ping(): void
  }
}

export interface Misbehaving {
  readonly client: Client
  readonly inside: Inside
  exec(line: string, options?: ExecOptions): Promise<ClientChannel>
}

/** A client that tests can make misbehave; signed in, unless `config` prevents it. */
export async function connect(t: Test, door: Door, config: ConnectConfig = {}): Promise<Misbehaving> {
  const client = new ssh2.Client()
  t.teardown(() => client.destroy())
  const ready = new Promise<void>((resolve, reject) => {
    client.on('ready', resolve)
    client.on('error', error => (error as { level?: string }).level !== 'agent' && reject(error))
  })
  const { port } = door.server
  client.on('connect', () => client.setNoDelay(true))
  client.connect({ host: '127.0.0.1', port, username: 'x', privateKey: readFileSync(door.usual), ...config })
  await ready
  return {
    client,
    inside: client as unknown as Inside,
    exec: (line, options = {}) =>
      new Promise((resolve, reject) =>
        client.exec(line, options, (error, stream) => (error ? reject(error) : resolve(stream))),
      ),
  }
}

/** The number the server knows a channel by. */
export function numberOf(channel: ClientChannel): number {
  return (channel as unknown as { outgoing: { id: number } }).outgoing.id
}
