import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Checkout, openSandbox, type Sandbox } from '../../test/e2e/sandbox.ts'
import { type Disk, megabyte, openDisk } from './disk.ts'
import { type OwnEngine, openOwnEngine } from './own-engine.ts'
import { openRelay, type Relay } from './relay.ts'

/** What faults strike at: a sandbox with an app on it, and what stands under it. */
export interface Ground {
  readonly box: Sandbox
  /** By name; `shop` is always there. */
  readonly apps: Readonly<Record<string, Checkout>> & { readonly shop: Checkout }
  /** The engine's real socket. */
  readonly docker: string
  readonly relay: Relay
  readonly ownEngine: OwnEngine | undefined
  readonly disk: Disk | undefined
  close(): Promise<void>
}

export interface Needs {
  readonly ownEngine?: boolean
  /** Whose data is on a disk of its own; that of an engine has to be an own one's. */
  readonly disk?: 'davit' | 'engine'
  /** How many apps, one unless told. */
  readonly apps?: number
}

/** An engine of one's own holds an image of plain Debian, and a Davit next to nothing. */
const sizes = { davit: 96 * megabyte, engine: 1024 * megabyte }

/** Everything that is opened is closed again, in the opposite order, also when a later part does not open. */
export async function openGround(needs: Needs): Promise<Ground> {
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
    const places = { davit: data, engine: join(dir, 'engine/data') }
    for (const each of Object.values(places)) await mkdir(each, { recursive: true })
    const { disk: whose } = needs
    const disk = whose && kept(await openDisk(join(dir, 'disk'), places[whose], sizes[whose]))
    const ownEngine = needs.ownEngine ? kept(await openOwnEngine(join(dir, 'engine'))) : undefined
    const docker = ownEngine?.socket ?? '/var/run/docker.sock'
    const relay = kept(await openRelay(join(dir, 'relay.sock'), docker))
    // Two engines do not know of each other's networks, and the host has all of them.
    const pool = ownEngine ? '10.217.0.0/16' : '10.216.0.0/16'
    const env = { DAVIT_DATA: data, DAVIT_DOCKER: relay.path, DAVIT_POOL: pool }
    const box = kept(await openSandbox({ docker, env }))
    const apps = { shop: await box.checkout('echo', 'shop') }
    for (let number = 2; number <= (needs.apps ?? 1); number++)
      Object.assign(apps, { [`shop-${number}`]: await box.checkout('echo', `shop-${number}`) })
    return { box, apps, docker, relay, ownEngine, disk, close }
  } catch (error) {
    await close()
    throw error
  }
}
