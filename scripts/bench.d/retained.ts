import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { type Checkout, openSandbox, type Sandbox } from '../../test/e2e/sandbox.ts'
import { openOwnEngine } from '../chaos.d/own-engine.ts'
import { succeeded } from './answers.ts'
import { nextVersion } from './stage.ts'
import { type Places, type Stock, takeStock } from './stock.ts'

/** What Davit promises to keep of an app: images (src/deploy/image.ts), and outputs as `builds:set retention` says. */
const kept = 10

export interface Ground extends Places {
  close(): Promise<void>
}

/** An engine of one's own, so that nobody else's images are counted. Needs root. */
export async function openRetentionGround(): Promise<Ground> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-retention-'))
  const engine = await openOwnEngine(join(dir, 'engine'))
  const { socket } = engine
  const closeEngine = async () => {
    await engine.close()
    await rm(dir, { recursive: true, force: true })
  }
  try {
    // Two engines do not know of each other's networks, and the host has all of them.
    const env = { DAVIT_DOCKER: socket, DAVIT_POOL: '10.218.0.0/16' }
    const box = await openSandbox({ docker: socket, env })
    const close = async () => {
      await box.close()
      await closeEngine()
    }
    return { box, socket, dataRoot: join(dir, 'engine/data'), close }
  } catch (error) {
    await closeEngine()
    throw error
  }
}

export interface Retained {
  readonly stocks: Stocks
  /** How many there were between the first stock and the others. */
  readonly deploys: number
  readonly findings: readonly Finding[]
}

export interface Stocks {
  /** When every app had all that is kept, without the build cache. */
  readonly before: Stock
  readonly deployed: Stock
  /** After what is done every night, with the build cache as large as it may be. */
  readonly tidied: Stock
  /** The same, when there may be no build cache. */
  readonly after: Stock
}

export interface Finding {
  readonly what: string
  readonly ok: boolean
  readonly found: unknown
}

interface Wanted {
  readonly apps: number
  /** How many in all; ten of each app before the first stock. */
  readonly deploys: number
  readonly say?: (line: string) => void
}

/** Deploys over and over; then only that is left of it which Davit says it keeps, and every release that it keeps can be gone back to. */
export async function retain(
  ground: Ground,
  { apps, deploys, say = () => undefined }: Wanted,
): Promise<Retained> {
  const { box } = ground
  await succeeded(box.ssh(`builds:set --global retention ${kept}`))
  const lines = await Promise.all(Array.from({ length: apps }, async (_, at) => lineOf(`app-${at + 1}`, box)))
  const deployed = async (rounds: number) => {
    for (let round = 1; round <= rounds; round++) {
      await Promise.all(lines.map(deploy))
      say(`${lines[0]!.versions.length * apps} deploys`)
    }
    await atRest(box, apps)
  }
  const tidied = async (cache: number) => {
    await succeeded(box.ssh(`builds:set --global cache ${cache}`))
    await succeeded(box.ssh('cleanup'))
    return takeStock(ground)
  }
  await deployed(kept)
  const before = await tidied(0)
  await deployed(Math.ceil(deploys / apps) - kept)
  const stocks = {
    before,
    deployed: await takeStock(ground),
    tidied: await tidied(10),
    after: await tidied(0),
  }
  return {
    stocks,
    deploys: (lines[0]!.versions.length - kept) * apps,
    findings: [...judged(stocks, apps), ...(await goneBack(box, lines))],
  }
}

/** An app and every version of it that was live, oldest first. */
interface Line {
  readonly name: string
  readonly checkout: Checkout
  readonly versions: string[]
}

async function lineOf(name: string, box: Sandbox): Promise<Line> {
  return { name, checkout: await box.checkout('dockerfile-base', name), versions: [] }
}

async function deploy({ checkout, versions }: Line): Promise<void> {
  const version = await nextVersion(checkout)
  await succeeded(checkout.git('push', '-q', 'davit', 'main'))
  versions.push(version)
}

/** The old containers are gone, and with them the work in the background. */
async function atRest(box: Sandbox, apps: number): Promise<void> {
  while ((await box.containers()).length > apps) await pause(100)
}

function judged({ before, deployed, tidied, after }: Stocks, apps: number): Finding[] {
  const counted = (
    what: keyof Stock['counts'],
    expected: number | undefined,
    found = after.counts[what],
  ) => ({
    what: `${expected} ${what}`,
    ok: found === expected,
    found,
  })
  const same = ["the engine's layers", 'folders of layers'].map(what => counted(what, before.counts[what]))
  const cached = 'folders of layers'
  return [
    counted('images', kept * apps),
    counted('containers', apps),
    counted('networks', apps),
    counted('volumes', 0),
    counted('outputs of builds', kept * apps),
    ...same,
    {
      what: 'builds find their cache as long as it has room',
      ok: tidied.counts[cached] === deployed.counts[cached],
      found: [deployed.counts[cached], tidied.counts[cached]],
    },
  ]
}

/** To the oldest release that is kept, and to the one before it, which is not. */
async function goneBack(box: Sandbox, lines: readonly Line[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { name, versions } of lines) {
    const oldest = versions.length - kept
    const gone = await box.ssh(`releases:rollback ${name} ${oldest}`)
    findings.push({
      what: `${name} does not go back to release ${oldest}, and says why`,
      ok: gone.code === 1 && /image/.test(gone.stderr),
      found: gone,
    })
    const back = await box.ssh(`releases:rollback ${name} ${oldest + 1}`)
    const { body } = await box.get(`${name}.localhost`)
    findings.push({
      what: `${name} goes back to release ${oldest + 1}, the oldest that is kept`,
      ok: back.code === 0 && body === `${versions[oldest]}\n`,
      found: { ...back, body },
    })
  }
  return findings
}
