import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { megabyte } from './disk.ts'
import type { Ground } from './ground.ts'

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

export interface World {
  readonly ground: Ground
  /** Writes a version of the app with these lines in its Dockerfile, and a file of so many random bytes. */
  write(version: string, more?: { lines?: readonly string[]; bytes?: number }): Promise<void>
}

export interface Said {
  readonly code: number | null
  readonly text: string
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
