import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { settled, storeOf } from '../../test/e2e/leftovers.ts'
import { run } from '../../test/e2e/sandbox.ts'
import { type Kind, openVisitors, type Visit } from '../../test/e2e/visitors.ts'
import { type Ground, openGround } from './ground.ts'
import type { Moment, Said, World } from './moments.ts'

export interface Finding {
  readonly what: string
  readonly ok: boolean
  /** What was found instead. */
  readonly found?: string
}

/** Each moment in turn, on a Davit of its own for each disk. Answers whether all was as it should be. */
export async function meetFullDisks(
  which: readonly Moment[],
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<boolean> {
  let fine = true
  for (const disk of ['davit', 'engine'] as const) {
    const here = which.filter(each => each.disk === disk)
    if (here.length === 0 || signal.aborted) continue
    const ground = await openGround({ disk, ownEngine: disk === 'engine' })
    try {
      for (const moment of here) {
        if (signal.aborted) break
        say(`=====> ${moment.name}: ${moment.about}`)
        const { said, findings } = await meetFullDisk(moment, ground)
        for (const line of said.text.trim().split('\n').slice(-12)) say(`         ${line}`)
        for (const { what, ok, found } of findings)
          say(ok ? `       ${what}` : ` !     not so: ${what}${found ? `\n         ${found}` : ''}`)
        fine &&= findings.every(each => each.ok)
      }
    } finally {
      await ground.close()
    }
  }
  return fine
}

/** The app serves its version `one` before, and `two` at the end. */
export async function meetFullDisk(
  moment: Moment,
  ground: Ground,
): Promise<{ said: Said; findings: readonly Finding[] }> {
  const { box, disk } = ground
  const world = worldOf(ground)
  await world.write('one')
  const first = await ground.apps.shop.push()
  if (first.code !== 0) throw new Error(`The first push failed:\n${first.text}`)
  const pid = await box.daemonPid()
  // With its own disk full the app itself has nowhere to put an upload.
  const kinds: Kind[] = ['kept', 'new', 'slow', ...(moment.disk === 'davit' ? ['upload' as const] : [])]
  const visitors = openVisitors({ port: box.httpPort, host: 'shop.localhost' }, kinds)
  let said: Said
  try {
    said = await moment.meet(world)
    await visitors.next(({ kind }) => kind === 'new')
  } finally {
    await disk!.empty()
    await visitors.stop()
  }
  const whole = await wholeness(ground)
  const again = await moment.again(world)
  const after = await box.get('shop.localhost', '/after')
  const left = await settled(box, { withinMs: 15_000 })
  return {
    said,
    findings: [
      { what: 'the command failed', ok: said.code !== 0 && said.code !== null, found: `${said.code}` },
      { what: 'it said which disk is full, and how to go on', ok: isPlain(said.text), found: said.text },
      {
        what: `${visitors.visits.length} visitors were answered by the old version`,
        ok: visitors.visits.every(isOld),
        found: JSON.stringify(visitors.visits.filter(each => !isOld(each)).slice(0, 3)),
      },
      { what: 'the store and the repository are whole', ok: whole.length === 0, found: whole.join('\n') },
      {
        what: 'with room it works',
        ok: again.code === 0 && after.body === '/after two\n',
        found: `${again.text}${after.body}`,
      },
      { what: 'the daemon is the same', ok: (await box.daemonPid()) === pid },
      {
        what: 'nothing is left over, and nothing counts as under way',
        ok: left.length === 0 && underWay(ground) === 0,
        found: [...left, `${underWay(ground)} under way`].join('\n'),
      },
    ],
  }
}

function worldOf(ground: Ground): World {
  return {
    ground,
    async write(version, { lines = [], bytes = 0 } = {}) {
      const { shop } = ground.apps
      const base = ['FROM davit/stack-base', 'COPY server.pl version attempt /app/', ...lines]
      await shop.write(
        'Dockerfile',
        [...base, 'USER app', 'EXPOSE 8000', 'CMD ["perl", "/app/server.pl"]', ''].join('\n'),
      )
      await shop.write('version', `${version}\n`)
      // Nothing of an earlier build is taken again.
      await shop.write('attempt', `${Date.now()}\n`)
      if (bytes > 0) await writeFile(join(shop.dir, 'large'), randomBytes(bytes))
      await shop.commit(version)
    },
  }
}

function isPlain(text: string): boolean {
  return /The disk that holds .+ is full/.test(text) && /df -h/.test(text) && !/inside Davit/.test(text)
}

function isOld({ outcome }: Visit): boolean {
  return outcome.kind === 'answered' && outcome.status === 200 && outcome.version === 'one'
}

async function wholeness({ box }: Ground): Promise<readonly string[]> {
  const db = new DatabaseSync(join(box.data, 'davit.db'))
  try {
    const rows = [
      ...db.prepare('PRAGMA integrity_check').all(),
      ...db.prepare('PRAGMA foreign_key_check').all(),
    ]
    const fsck = await run('git', ['-C', join(box.data, 'git/shop.git'), 'fsck', '--full', '--strict'])
    return [
      ...rows.map(each => Object.values(each).join(' ')).filter(each => each !== 'ok'),
      ...(fsck.code === 0 ? [] : [fsck.stderr]),
    ]
  } finally {
    db.close()
  }
}

function underWay({ box }: Ground): number {
  const store = storeOf(box)
  try {
    return store.attempts
      .list('shop' as Parameters<typeof store.attempts.list>[0])
      .filter(each => each.status === 'running' || each.status === 'waiting').length
  } finally {
    store.close()
  }
}
