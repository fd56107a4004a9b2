import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'

import { settled, storeOf } from '../../test/e2e/leftovers.ts'
import { run } from '../../test/e2e/sandbox.ts'
import { type Kind, openVisitors, type Visit } from '../../test/e2e/visitors.ts'
import { megabyte } from './disk.ts'
import { type Ground, openGround } from './ground.ts'

/** A moment at which a disk is full, and what a person was doing. */
export interface Moment {
  readonly name: string
  readonly about: string
  readonly disk: 'davit' | 'engine'
  /** Fills the disk and does it; answers what the person saw. */
  meet(world: World): Promise<Said>
  /** The same once more, with room. */
  again(world: World): Promise<Said>
}

interface World {
  readonly ground: Ground
  /** Writes a version of the app with these lines in its Dockerfile, and a file of so many random bytes. */
  write(version: string, more?: { lines?: readonly string[]; bytes?: number }): Promise<void>
}

interface Said {
  readonly code: number | null
  readonly text: string
}

export interface Finding {
  readonly what: string
  readonly ok: boolean
  /** What was found instead. */
  readonly found?: string
}

/** It says that it runs, and leaves time to fill a disk. */
const slowStep = 'RUN echo running && sleep 4'

export const moments: readonly Moment[] = [
  {
    name: 'receive',
    about: "Davit's disk fills while git receives a push",
    disk: 'davit',
    async meet({ ground, write }) {
      await write('two', { bytes: 24 * megabyte })
      await ground.disk!.fill({ leave: 8 * megabyte })
      return ground.apps.shop.push()
    },
    again: ({ ground }) => ground.apps.shop.push(),
  },
  {
    name: 'arrive',
    about: "Davit's disk is full when a push begins",
    disk: 'davit',
    async meet({ ground, write }) {
      await write('two')
      await ground.disk!.fill()
      return ground.apps.shop.push()
    },
    again: ({ ground }) => ground.apps.shop.push(),
  },
  {
    name: 'pages',
    about: "Davit's disk fills while a folder of pages is written",
    disk: 'davit',
    async meet({
      ground: {
        apps: { shop },
        disk,
      },
    }) {
      await shop.git('rm', '-q', 'Dockerfile')
      await shop.write('index.html', 'two\n')
      // As a pack it is next to nothing.
      await shop.write('blank', '\0'.repeat(24 * megabyte))
      await shop.commit('Pages')
      await disk!.fill({ leave: 8 * megabyte })
      return shop.push()
    },
    async again({
      ground: {
        apps: { shop },
        box,
      },
      write,
    }) {
      const said = await shop.push()
      const { body } = await box.get('shop.localhost', '/index.html')
      if (said.code !== 0 || body !== 'two\n') return { code: 1, text: `${said.text}${body}` }
      await write('two')
      return shop.push()
    },
  },
  {
    name: 'store',
    about: "Davit's disk is full when a value is set",
    disk: 'davit',
    async meet({ ground }) {
      await ground.disk!.fill()
      // What SQLite has written before it may write again in the same place.
      for (let tries = 1; ; tries++) {
        const said = await set(ground, `meant ${'x'.repeat(8_000)}${tries}`)
        if (said.code !== 0 || tries === 50) return said
      }
    },
    async again({ ground, write }) {
      const said = await set(ground, 'short')
      if (said.code !== 0) return said
      await write('two')
      return ground.apps.shop.push()
    },
  },
  {
    name: 'release',
    about: "Davit's disk is full when a build has ended and its release is recorded",
    disk: 'davit',
    async meet(world) {
      await world.write('two', { lines: [slowStep] })
      return pushFilling(world)
    },
    again: ({ ground }) => ground.apps.shop.push(),
  },
  {
    name: 'build',
    about: "the engine's disk fills while a step of a build writes",
    disk: 'engine',
    async meet({ ground, write }) {
      await write('two', { lines: [`RUN head -c ${64 * megabyte} /dev/urandom > /app/large`] })
      await ground.disk!.fill({ leave: 32 * megabyte })
      return ground.apps.shop.push()
    },
    again: ({ ground }) => ground.apps.shop.push(),
  },
  {
    name: 'export',
    about: "the engine's disk is full when the steps are done and the image is written",
    disk: 'engine',
    async meet(world) {
      await world.write('two', { lines: [slowStep] })
      return pushFilling(world)
    },
    again: ({ ground }) => ground.apps.shop.push(),
  },
]

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

/** The disk is filled while the build's slow step runs. */
async function pushFilling({ ground }: World): Promise<Said> {
  const pushed = ground.apps.shop.push()
  const over = new AbortController()
  void pushed.finally(() => over.abort())
  while (!over.signal.aborted && !/^ *running$/m.test(await outputs(ground))) await pause(50)
  await ground.disk!.fill()
  return pushed
}

/** What the newest attempt has said. */
async function outputs({ box }: Ground): Promise<string> {
  const folder = join(box.data, 'builds')
  const [newest = 0] = (await readdir(folder)).map(name => Number.parseInt(name, 10)).sort((a, b) => b - a)
  return readFile(join(folder, `${newest}.log`), 'utf8').catch(() => '')
}

async function set({ box }: Ground, value: string): Promise<Said> {
  const { code, stdout, stderr } = await box.ssh(`config:set shop NOTE='${value}'`)
  return { code, text: `${stdout}${stderr}` }
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
