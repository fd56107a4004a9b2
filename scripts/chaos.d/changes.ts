import { setTimeout as pause } from 'node:timers/promises'

import type { Ground } from './ground.ts'
import type { Random } from './random.ts'

/** What people do meanwhile, one after another. Times are Date.now(). */
export interface Change {
  readonly what: string
  readonly begun: number
  readonly ended: number
  /** As it should: a push that cannot be ready is refused. */
  readonly fine: boolean
  readonly said: string
}

/** What a push was to answer with, and when it was tried and taken. */
export interface Version {
  readonly name: string
  readonly tried: number
  readonly taken: number | undefined
}

export interface People {
  readonly changes: readonly Change[]
  readonly versions: readonly Version[]
  /** Pushes something new and answers whether it was taken. */
  push(): Promise<Change>
  /** Pushes, restarts and scales until the signal aborts. */
  busy(signal: AbortSignal): Promise<void>
}

export function people({ box, shop }: Ground, random: Random): People {
  const changes: Change[] = []
  const versions: Version[] = []

  const note = async (what: string, work: () => Promise<{ fine: boolean; said: string }>) => {
    const begun = Date.now()
    const change = { what, begun, ...(await work()), ended: Date.now() }
    changes.push(change)
    return change
  }
  const push = () => {
    const name = `v${versions.length + 1}`
    return note(`push ${name}`, async () => {
      await writeAndCommit(name)
      const at = versions.push({ name, tried: Date.now(), taken: undefined }) - 1
      const { code, text } = await shop.push()
      if (code === 0) versions[at] = { ...versions[at]!, taken: Date.now() }
      return { fine: code === 0, said: text }
    })
  }
  const pushBroken = () =>
    note('a broken push', async () => {
      await writeAndCommit('broken')
      const { code, text } = await shop.push()
      return { fine: code !== 0, said: text }
    })
  const command = (line: string) =>
    note(line, async () => {
      const { code, stdout, stderr } = await box.ssh(line)
      return { fine: code === 0, said: `${stdout}${stderr}` }
    })
  const writeAndCommit = async (version: string) => {
    await shop.write('version', `${version}\n`)
    await shop.write('attempt', `${changes.length}\n`)
    await shop.commit(version)
  }

  return {
    changes,
    versions,
    push,
    async busy(signal) {
      while (!signal.aborted) {
        const turn = random.next()
        if (turn < 0.6) await push()
        else if (turn < 0.7) await pushBroken()
        else if (turn < 0.85) await command('ps:restart shop')
        else await command(`ps:scale shop web=${random.pick([1, 2])}`)
        await pause(random.between(300, 2_500), undefined, { signal }).catch(() => undefined)
      }
    },
  }
}
