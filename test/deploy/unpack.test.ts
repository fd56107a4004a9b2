import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import { type Test, t } from 'tap'
import tar, { type Pack } from 'tar-stream'

import { unpack, usualArchive } from '../../src/deploy/unpack.ts'

t.test('files and folders come out as they are, readable by all and executable where they were', async t => {
  const folder = await into(t, [
    [{ name: './a/', type: 'directory', mode: 0o700 }],
    [{ name: 'a/b', mode: 0o600 }, 'x'.repeat(200_000)],
    [{ name: 'deep/er/run', mode: 0o4711, uid: 12345 }, '#!/bin/sh'],
  ])
  t.strictSame((await readdir(folder, { recursive: true })).sort(), [
    'a',
    'a/b',
    'deep',
    'deep/er',
    'deep/er/run',
  ])
  t.equal((await readFile(join(folder, 'a/b'), 'utf8')).length, 200_000)
  t.equal((await stat(join(folder, 'a'))).mode & 0o7777, 0o755)
  t.equal((await stat(join(folder, 'a/b'))).mode & 0o7777, 0o644)
  t.equal((await stat(join(folder, 'deep/er/run'))).mode & 0o7777, 0o755)
  t.equal((await stat(join(folder, 'deep/er/run'))).uid, process.getuid!())
})

for (const [what, header, reason] of [
  ['an absolute path', { name: '/tmp/x' }, /"\/tmp\/x" is an absolute path/],
  ['a path that leads out', { name: 'a/../../x' }, /"a\/..\/..\/x" leads out/],
  ['a link', { name: 'x', type: 'symlink', linkname: '/etc/passwd' }, /"x" is a symlink/],
  ['a hard link', { name: 'x', type: 'link', linkname: 'y' }, /"x" is a link/],
  ['a device', { name: 'x', type: 'character-device' }, /"x" is a character-device/],
  ['a pipe', { name: 'x', type: 'fifo' }, /"x" is a fifo/],
  ['a path without end', { name: `${'a/'.repeat(41)}b` }, /lies too deep/],
] as const)
  t.test(`${what} is refused by name, and nothing is written outside`, async t => {
    await t.rejects(into(t, [[header]]), { code: 'bad-archive', message: reason })
    t.notOk(existsSync(join(t.testdirName, 'x')))
  })

t.test('what is neither file nor folder can be left out', async t => {
  const folder = await into(t, [[{ name: 'x', type: 'symlink', linkname: '/etc' }], [{ name: 'y' }, 'y']], {
    others: 'skip',
  })
  t.strictSame(await readdir(folder), ['y'])
})

t.test('it may be so large and hold so many, and no more', async t => {
  const most = { bytes: 1 << 20, entries: 3 }
  const large = [[{ name: 'x' }, 'x'.repeat((1 << 20) + 1)]] as const
  await t.rejects(into(t, large, { most }), { code: 'archive-too-large', message: /more than 1 MB/ })
  const many = [1, 2, 3, 4].map(each => [{ name: `x${each}` }, ''] as const)
  await t.rejects(into(t, many, { most }), { code: 'archive-too-large', message: /more than 3 files/ })
})

t.test('what is no tar, or half of one, is told so', async t => {
  const run = (archive: Readable) =>
    unpack(archive, {
      folder: t.testdir(),
      signal: AbortSignal.timeout(10_000),
      others: 'refuse',
      most: usualArchive,
    })
  await t.rejects(run(Readable.from([Buffer.from('no tar at all'.repeat(100))])), { code: 'bad-archive' })
  const packed = tar.pack()
  packed.entry({ name: 'x' }, 'x'.repeat(5000))
  packed.finalize()
  const whole = Buffer.concat(await Array.fromAsync(packed as unknown as AsyncIterable<Buffer>))
  await t.rejects(run(Readable.from([whole.subarray(0, 2000)])), { code: 'bad-archive' })
})

type Entry = readonly [Parameters<Pack['entry']>[0], string?]

async function into(
  t: Test,
  entries: readonly Entry[],
  options: Partial<Parameters<typeof unpack>[1]> = {},
): Promise<string> {
  const packed = tar.pack()
  for (const [header, content] of entries) packed.entry(header, content ?? '')
  packed.finalize()
  const folder = join(t.testdir(), 'in')
  await mkdir(folder)
  const signal = AbortSignal.timeout(10_000)
  await unpack(Readable.from(packed), { folder, signal, others: 'refuse', most: usualArchive, ...options })
  return folder
}
