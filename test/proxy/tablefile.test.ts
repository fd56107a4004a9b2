import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import pino from 'pino'
import { t } from 'tap'

import { openTableFile, type TableFile } from '../../src/proxy/tablefile.ts'
import type { AppName, Route } from '../../src/types.ts'
import { dataFolder } from './running.ts'

const log = pino({ level: 'silent' })
const route = (app: string, release = 1): Route => ({
  app: app as AppName,
  domains: { [`${app}.test`]: true },
  upstreams: { [`${app}.web.1`]: { host: '127.0.0.1', port: 1 } },
  release,
})
/** Until the end: Node takes it for an error when an open file is collected. */
const held: TableFile[] = []
const open = (dir: string) => {
  const file = openTableFile(dir, undefined, log)
  held.push(file)
  return file
}
const releases = async (dir: string) =>
  Object.fromEntries((await open(dir).load()).map(({ app, release }) => [app, release]))
const changes = async (dir: string) => (await readdir(dir)).filter(name => name.endsWith('.changes')).sort()

t.test('a change is a line behind the whole table, whatever else is in it', async t => {
  const dir = await dataFolder(t)
  const file = open(dir)
  await file.save(Array.from({ length: 10_000 }, (_, n) => route(`app-${n}`)))
  const whole = await readFile(join(dir, 'table.json'))
  const { onDisk } = await file.add({ route: route('app-7', 2) })
  await file.add({ forget: 'app-9' })
  await file.add({ route: route('new') })
  await onDisk
  t.same(await readFile(join(dir, 'table.json')), whole)
  t.ok(file.added() < 1000)
  const now = await releases(dir)
  t.match(now, { 'app-7': 2, 'app-8': 1, new: 1 })
  t.equal(Object.keys(now).length, 10_000)
  t.notOk('app-9' in now)
})

t.test('what is added while the whole is written counts, and nothing that was before it', async t => {
  const dir = await dataFolder(t)
  const file = open(dir)
  await file.add({ route: route('a', 1) })
  const saved = file.save([route('a', 1), ...Array.from({ length: 5_000 }, (_, n) => route(`other-${n}`))])
  await file.add({ route: route('a', 2) })
  await saved
  t.match(await releases(dir), { a: 2, 'other-4999': 1 })
  t.same(await changes(dir), ['table.2.changes'])
  await file.save([route('a', 3)])
  t.same(await releases(dir), { a: 3 })
  t.same(await changes(dir), [])
  t.equal(file.added(), 0)
})

t.test('what a process adds counts, although the one before it left nothing but a whole table', async t => {
  const dir = await dataFolder(t)
  const before = open(dir)
  for (const release of [1, 2, 3]) {
    await before.add({ route: route('a', release) })
    await before.save([route('a', release)])
  }
  const file = open(dir)
  t.match(await file.load(), [{ release: 3 }])
  await file.add({ route: route('a', 4) })
  t.same(await releases(dir), { a: 4 })
  await file.save([])
})

t.test(
  'a table of a program that knew of no changes is due to be written anew with the first one',
  async t => {
    const dir = await dataFolder(t)
    await open(dir).save([route('a', 1)])
    const path = join(dir, 'table.json')
    const { since: _, ...older } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    await writeFile(path, JSON.stringify(older))
    const file = open(dir)
    t.match(await file.load(), [{ release: 1 }])
    t.ok(file.added() > 1e9)
    await file.add({ route: route('a', 2) })
    await file.save([route('a', 2)])
    t.equal(file.added(), 0)
    await file.add({ route: route('a', 3) })
    t.same(await releases(dir), { a: 3 })
    await file.save([])
  },
)

t.test('a whole that is not written leaves what was added before and since', async t => {
  const dir = await dataFolder(t)
  const file = open(dir)
  await file.save([route('a', 1), route('b', 1)])
  await file.add({ route: route('a', 2) })
  await mkdir(join(dir, 'table.json.next'))
  await t.rejects(file.save([route('a', 2), route('b', 1)]), { code: 'EISDIR' })
  await file.add({ route: route('b', 2) })
  t.same(await releases(dir), { a: 2, b: 2 })
})

t.test(
  'half a line, as a power cut leaves it, costs that line alone, also for who goes on from there',
  async t => {
    const dir = await dataFolder(t)
    const first = open(dir)
    await first.save([route('a', 1)])
    await first.add({ route: route('a', 2) })
    await appendFile(join(dir, 'table.1.changes'), '{"route":{"app":"a","rel')
    const second = open(dir)
    t.match(await second.load(), [{ app: 'a', release: 2 }])
    await second.add({ route: route('b', 1) })
    t.same(await releases(dir), { a: 2, b: 1 })
  },
)

t.test('changes that cannot be read are set aside, and those before them count', async t => {
  const dir = await dataFolder(t)
  const file = open(dir)
  await file.add({ route: route('a', 2) })
  await appendFile(join(dir, 'table.1.changes'), 'nonsense\n')
  t.same(await releases(dir), { a: 2 })
  t.match(await readdir(dir), [/^table\.1\.changes\.broken-/])
})

t.test('changes of another table than the one that is there count for nothing', async t => {
  const dir = await dataFolder(t)
  const file = open(dir)
  await file.save([route('a', 1)])
  await file.add({ route: route('a', 2) })
  // As a program writes it that knows of no changes.
  await writeFile(join(dir, 'table.json'), JSON.stringify({ version: 1, routes: [route('a', 3)] }))
  t.same(await releases(dir), { a: 3 })
  await writeFile(join(dir, 'table.json'), 'nonsense')
  t.same(await releases(dir), {})
  t.same(await releases(dir), {}, 'nor at the start after that')
})

t.test('a file of changes that cannot be written to is not gone on with', async t => {
  const dir = await dataFolder(t)
  const file = open(dir)
  await mkdir(join(dir, 'table.1.changes'))
  await t.rejects(file.add({ route: route('a') }), { code: 'EISDIR' })
  await file.add({ route: route('b') })
  t.same(await releases(dir), { b: 1 })
})
