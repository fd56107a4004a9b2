import { run } from '../../test/e2e/sandbox.ts'
import { succeeded } from './answers.ts'
import { makeLarge } from './large.ts'
import { nextVersion, type Stage } from './stage.ts'
import { type Contest, timed } from './turns.ts'

/** One file is changed: its layer is built, all before it comes from the cache. */
export function pushes(stage: Stage, rounds: number): Contest {
  const { live, plain } = stage
  return {
    what: 'push until the new version answers',
    target: 1.7,
    rounds,
    davit: async () => {
      const version = await nextVersion(live.checkout)
      return live.push(version)
    },
    beside: async () => {
      const version = await nextVersion(plain.checkout)
      const context = await plain.context()
      const time = await timed(async () => {
        await stage.sshTrue()
        await plain.build(context)
        await plain.start(version)
      })
      await plain.clear()
      return time
    },
    rest: live.atRest,
  }
}

export function commands({ box, sshTrue }: Stage, rounds: number): Contest {
  return {
    what: 'ssh davit apps:list, against ssh true',
    target: 1.2,
    rounds,
    davit: () => timed(() => succeeded(box.ssh('apps:list'))),
    beside: () => timed(sshTrue),
  }
}

export function rollbacks({ live, plain, sshTrue }: Stage, rounds: number): Contest {
  return {
    what: 'rollback until the old version answers',
    target: 1.7,
    rounds,
    davit: live.rollback,
    beside: async () => {
      const time = await timed(async () => {
        await sshTrue()
        await plain.start()
      })
      await plain.clear()
      return time
    },
    rest: live.atRest,
  }
}

/** The same commit to both, on a branch that is kept and not deployed. */
export async function largePushes(stage: Stage, rounds: number): Promise<Contest> {
  const large = await makeLarge(stage.box)
  return {
    what: 'push of 150 MB, not deployed',
    target: 1.1,
    rounds,
    davit: async () => {
      await large.next()
      return timed(() => large.push('davit'))
    },
    beside: () => timed(() => large.push('plain')),
    rest: () => succeeded(run('sync', [])),
  }
}
