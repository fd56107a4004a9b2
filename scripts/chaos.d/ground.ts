import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Checkout, openSandbox, type Sandbox } from '../../test/e2e/sandbox.ts'
import { type Disk, openDisk } from './disk.ts'
import { type OwnEngine, openOwnEngine } from './own-engine.ts'
import { openRelay, type Relay } from './relay.ts'

/** What faults strike at: a sandbox with an app on it, and what stands under it. */
export interface Ground {
  readonly box: Sandbox
  readonly shop: Checkout
  /** The engine's real socket. */
  readonly docker: string
  readonly relay: Relay
  readonly ownEngine: OwnEngine | undefined
  readonly disk: Disk | undefined
  close(): Promise<void>
}

/** Everything that is opened is closed again, in the opposite order, also when a later part does not open. */
export async function openGround(needs: { engine: boolean; disk: boolean }): Promise<Ground> {
  const closing: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const each of closing.splice(0).reverse()) await each()
  }
  const kept = <T extends { close(): Promise<unknown> }>(part: T): T => {
    closing.push(part.close)
    return part
  }
  try {
    const dir = await mkdtemp(join(tmpdir(), 'davit-chaos-'))
    closing.push(() => rm(dir, { recursive: true, force: true }))
    const data = join(dir, 'data')
    await mkdir(data)
    const disk = needs.disk ? kept(await openDisk(join(dir, 'disk'), data)) : undefined
    const ownEngine = needs.engine ? kept(await openOwnEngine(join(dir, 'engine'))) : undefined
    const docker = ownEngine?.socket ?? '/var/run/docker.sock'
    const relay = kept(await openRelay(join(dir, 'relay.sock'), docker))
    const env = { DAVIT_DATA: data, DAVIT_DOCKER: relay.path, DAVIT_POOL: '10.216.0.0/16' }
    const box = kept(await openSandbox({ docker, env }))
    const shop = await box.checkout('echo', 'shop')
    return { box, shop, docker, relay, ownEngine, disk, close }
  } catch (error) {
    await close()
    throw error
  }
}
