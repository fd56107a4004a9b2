import { setTimeout as pause } from 'node:timers/promises'

import type { AppName } from '../../src/types.ts'
import { storeOf } from '../../test/e2e/leftovers.ts'
import type { Checkout } from '../../test/e2e/sandbox.ts'
import { openVisitors, type Visit } from '../../test/e2e/visitors.ts'
import type { Ground } from './ground.ts'
import type { Random } from './random.ts'

/** What people do meanwhile, one after another. Times are Date.now(). */
export interface Change {
  readonly app: string
  readonly what: string
  readonly begun: number
  readonly ended: number
  /** As it should: a push that cannot be ready is refused. */
  readonly fine: boolean
  readonly said: string
}

/** What a push was to answer with, and when it was tried and taken. */
export interface Version {
  readonly app: string
  readonly name: string
  readonly tried: number
  readonly taken: number | undefined
}

/** An app that came and went, and where it was meanwhile. */
export interface Guest {
  readonly name: string
  readonly addresses: readonly string[]
  readonly visits: readonly Visit[]
}

export interface People {
  readonly changes: readonly Change[]
  readonly versions: readonly Version[]
  readonly guests: readonly Guest[]
  /** Pushes something new to each app and answers what was not taken. */
  pushAll(): Promise<readonly Change[]>
  /** Pushes, restarts and scales until the signal aborts. */
  busy(signal: AbortSignal): Promise<void>
  /** Makes an app, and destroys the one before: the next one gets its addresses. Visitors go on asking for what is gone. */
  comeAndGo(signal: AbortSignal): Promise<void>
}

export function people(ground: Ground, random: Random): People {
  const { box, apps } = ground
  const changes: Change[] = []
  const versions: Version[] = []
  const guests: Guest[] = []
  const names = Object.keys(apps)

  const note = async (app: string, what: string, work: () => Promise<{ fine: boolean; said: string }>) => {
    const begun = Date.now()
    const change = { app, what, begun, ...(await work()), ended: Date.now() }
    changes.push(change)
    return change
  }
  const push = (app: string, checkout: Checkout) => {
    const name = `${app}/${versions.length + 1}`
    return note(app, `push ${name}`, async () => {
      await writeAndCommit(checkout, name)
      const at = versions.push({ app, name, tried: Date.now(), taken: undefined }) - 1
      const { code, text } = await checkout.push()
      if (code === 0) versions[at] = { ...versions[at]!, taken: Date.now() }
      return { fine: code === 0, said: text }
    })
  }
  const pushBroken = (app: string) =>
    note(app, 'a broken push', async () => {
      await writeAndCommit(apps[app]!, 'broken')
      const { code, text } = await apps[app]!.push()
      return { fine: code !== 0, said: text }
    })
  const command = (app: string, line: string) =>
    note(app, line, async () => {
      const { code, stdout, stderr } = await box.ssh(line)
      return { fine: code === 0, said: `${stdout}${stderr}` }
    })
  const writeAndCommit = async (checkout: Checkout, version: string) => {
    await checkout.write('version', `${version}\n`)
    await checkout.write('attempt', `${changes.length}\n`)
    await checkout.commit(version)
  }

  return {
    changes,
    versions,
    guests,
    async pushAll() {
      const all = await Promise.all(names.map(name => push(name, apps[name]!)))
      return all.filter(each => !each.fine)
    },
    async busy(signal) {
      while (!signal.aborted) {
        const app = random.pick(names)
        const turn = random.next()
        if (turn < 0.6) await push(app, apps[app]!)
        else if (turn < 0.7) await pushBroken(app)
        else if (turn < 0.85) await command(app, `ps:restart ${app}`)
        else await command(app, `ps:scale ${app} web=${random.pick([1, 2])}`)
        await pause(random.between(300, 2_500), undefined, { signal }).catch(() => undefined)
      }
    },
    async comeAndGo(signal) {
      let before: { name: string; leave: () => Promise<void> } | undefined
      const goes = (name: string) => command(name, `--force apps:destroy ${name}`)
      for (let number = 1; !signal.aborted; number++) {
        const name = `guest-${number}`
        if (before) await goes(before.name)
        const { fine } = await push(name, await box.checkout('echo', name))
        if (!fine) {
          await before?.leave()
          before = { name, leave: async () => undefined }
          continue
        }
        const visitors = openVisitors({ port: box.httpPort, host: `${name}.localhost`, sign: `${name}/` }, [
          'kept',
          'new',
        ])
        guests.push({ name, addresses: addressesOf(name, ground), visits: visitors.visits })
        await pause(random.between(500, 2_000), undefined, { signal }).catch(() => undefined)
        await before?.leave()
        before = { name, leave: visitors.stop }
      }
      if (before) await goes(before.name)
      await before?.leave()
    },
  }
}

function addressesOf(app: string, { box }: Ground): string[] {
  const store = storeOf(box)
  try {
    return store.containers.of(app as AppName).map(each => each.address)
  } finally {
    store.close()
  }
}
