import { chmodSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import t, { type Test } from 'tap'
import tar from 'tar-stream'

import type { Rooms } from '../../src/core/rooms.ts'
import { hasSite, removeSite, removeSites, sitePath, writeSite } from '../../src/deploy/site.ts'
import type { App, Call, Source } from '../../src/types.ts'

const app = { id: 7, name: 'shop' } as App

type Entry = readonly [header: Partial<tar.Header> & { name: string }, content?: string]

/** A source whose archive holds these entries, whatever git would say to them. */
function sourceOf(entries: readonly Entry[], { breaks }: { breaks?: Error } = {}): Source {
  const archive = () => {
    const pack = tar.pack()
    for (const [header, content = ''] of entries) {
      if (header.type === undefined || header.type === 'file') pack.entry(header as tar.Header, content)
      else pack.entry(header as tar.Header)
    }
    pack.finalize()
    const bytes = Readable.from(pack)
    if (breaks) bytes.once('data', () => bytes.destroy(breaks))
    return bytes
  }
  return { archive } as unknown as Source
}

function workplace(t: Test) {
  const data = t.testdir({})
  const rooms = { settings: { data } } as Rooms
  const said: string[] = []
  const say = (line: string) => void said.push(line)
  const out = Object.assign(say, { detail: say, warn: say })
  const call = { out, signal: new AbortController().signal } as unknown as Call
  const write = (
    site: string,
    entries: readonly Entry[],
    more: { folder?: string; before?: string; breaks?: Error } = {},
  ) => writeSite(app, sourceOf(entries, more), { site, folder: '', before: undefined, call, ...more }, rooms)
  const left = () => readdirSync(join(data, 'static/7'))
  const read = (site: string, path: string) => readFileSync(join(sitePath(app, site, rooms), path), 'utf8')
  return { data, rooms, said, write, left, read, pathOf: (site: string) => sitePath(app, site, rooms) }
}

const page: Entry = [{ name: 'index.html' }, 'hello']

t.test('a folder is written out, for the proxy to read', async t => {
  const { write, read, left, data, pathOf } = workplace(t)
  const before = process.umask(0o077)
  t.teardown(() => process.umask(before))
  await write('a', [
    page,
    [{ name: 'x', type: 'directory', mode: 0o700 }],
    [{ name: 'x/y/z.txt', mode: 0o600 }, 'z'],
  ])
  t.equal(read('a', 'index.html'), 'hello')
  t.equal(read('a', 'x/y/z.txt'), 'z')
  t.same(left(), ['a'])
  for (const path of [join(data, 'static'), join(data, 'static/7'), pathOf('a'), join(pathOf('a'), 'x/y')])
    t.equal(statSync(path).mode & 0o777, 0o755, path)
  t.equal(statSync(join(pathOf('a'), 'x/y/z.txt')).mode & 0o777, 0o644)
})

t.test('only what lies in the folder is written, and no dot files', async t => {
  const { write, pathOf } = workplace(t)
  const names = [
    'dist/index.html',
    'dist/.env',
    'dist/.git/config',
    'dist/.well-known/x',
    'distant.txt',
    'package.json',
  ]
  await write(
    'a',
    names.map(name => [{ name }, 'x'] as const),
    { folder: 'dist' },
  )
  t.same(readdirSync(pathOf('a'), { recursive: true }).sort(), ['.well-known', '.well-known/x', 'index.html'])
})

t.test('links are left out, which is said', async t => {
  const { write, pathOf, said } = workplace(t)
  await write('a', [
    page,
    [{ name: 'up', type: 'symlink', linkname: '/etc' }],
    [{ name: 'hard', type: 'link', linkname: 'index.html' }],
    [{ name: 'pipe', type: 'fifo' }],
  ])
  t.same(readdirSync(pathOf('a')), ['index.html'])
  t.ok(said.some(line => /3 links are left out/.test(line)))
})

t.test('a name that would lead out, or comes twice, ends it with nothing left', async t => {
  const { write, left, data } = workplace(t)
  for (const [at, name] of ['../up.txt', '/etc/up.txt', 'a/../../up.txt', 'a//b', './x', 'a/./b'].entries())
    await t.rejects(write(`a${at}`, [page, [{ name }, 'x']]), { code: 'bad-path' }, name)
  await t.rejects(write('b', [page, page]), { code: 'EEXIST' })
  await t.rejects(write('c', [page, [{ name: 'index.html/x' }, 'x']]))
  await t.rejects(
    write('d', [[{ name: 'up', type: 'symlink', linkname: '/tmp' }], [{ name: `${'d/'.repeat(50)}x` }, 'x']]),
    {
      code: 'site-too-large',
    },
  )
  await t.rejects(write('e', [[{ name: `${'n'.repeat(256)}` }, 'x']]), { code: 'site-too-large' })
  t.same(readdirSync(data), ['static'])
  t.same(
    left().filter(each => !each.startsWith('.')),
    [],
    'nothing that could be served',
  )
})

t.test('a source that breaks off says why', async t => {
  const { write } = workplace(t)
  await t.rejects(write('a', [page], { breaks: new Error('the disk is gone') }), {
    message: 'the disk is gone',
  })
})

t.test('a folder without files is refused', async t => {
  const { write } = workplace(t)
  await t.rejects(write('a', [[{ name: 'x', type: 'directory' }], [{ name: '.env' }, 'x']]), {
    code: 'no-files',
  })
})

t.test('a file that has not changed keeps its time, one that has gets a new one', async t => {
  const { write, pathOf } = workplace(t)
  await write('a', [page, [{ name: 'x.css' }, 'red']])
  await write('b', [page, [{ name: 'x.css' }, 'tan']], { before: 'a' })
  const at = (site: string, path: string) => lstatSync(join(pathOf(site), path), { bigint: true })
  t.equal(at('a', 'index.html').ino, at('b', 'index.html').ino)
  t.not(at('a', 'x.css').mtimeNs, at('b', 'x.css').mtimeNs)
})

t.test('a folder goes with what an interrupted one left', async t => {
  const { write, left, rooms, data } = workplace(t)
  await write('a', [page])
  await t.rejects(write('b', [page, page]))
  await write('c', [page])
  t.same(left().sort(), ['.b', 'a', 'c'])
  await removeSite(app, 'b', rooms)
  await removeSite(app, 'a', rooms)
  await removeSite(app, 'never', rooms)
  t.same(left(), ['c'])
  t.equal(await hasSite(app, 'a', rooms), false)
  t.equal(await hasSite(app, 'c', rooms), true)
  chmodSync(join(data, 'static/7/c/index.html'), 0o444)
  await removeSite(app, 'c', rooms)
  t.same(readdirSync(join(data, 'static')), [], 'the last one takes the folder around it away')
  await write('d', [page])
  await removeSites(app, rooms)
  t.same(readdirSync(join(data, 'static')), [])
})
