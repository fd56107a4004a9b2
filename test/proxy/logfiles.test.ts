import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import pino from 'pino'
import { type Test, t } from 'tap'

import { openLogFiles, usualBounds } from '../../src/proxy/logfiles.ts'
import { dataFolder } from './running.ts'

async function filesIn(t: Test, bounds: Partial<typeof usualBounds> = {}) {
  const folder = await dataFolder(t)
  const log = pino({ level: 'silent' })
  const files = openLogFiles(folder, { log, bounds: { ...usualBounds, ...bounds } })
  return {
    files,
    /** As a worker does, and tells. */
    async write(path: string, text: string, ageMs = 0) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text, { flag: 'a' })
      const at = (Date.now() - ageMs) / 1000
      for (const each of [join(folder, path), dirname(join(folder, path))]) await utimes(each, at, at)
      files.wrote({ [path]: text.length })
      await files.idle()
    },
    read: (path: string) => readFile(join(folder, path), 'utf8').catch(() => undefined),
    all: async () => (await readdir(folder, { recursive: true })).filter(each => each.includes('/')).sort(),
  }
}

t.test('a file that has grown is rotated, and one older is kept', async t => {
  const { write, read, all } = await filesIn(t, { fileBytes: 10 })
  await write('shop/access.log', '12345\n')
  t.same(await all(), ['shop/access.log'])
  await write('shop/access.log', '67890\n')
  t.same(await all(), ['shop/access.log.1'])
  await write('shop/access.log', 'abcdefghijk\n')
  await write('shop/access.log', 'new\n')
  t.equal(await read('shop/access.log.1'), 'abcdefghijk\n')
  t.equal(await read('shop/access.log'), 'new\n')
})

t.test('what was there before counts', async t => {
  const { write, all } = await filesIn(t, { fileBytes: 10 })
  await write('shop/access.log', '123')
  const again = await filesIn(t, { fileBytes: 10 })
  await again.write('shop/access.log', '1234567')
  t.same(await all(), ['shop/access.log'])
  await again.write('shop/access.log', '890')
  t.same(await again.all(), ['shop/access.log.1'])
})

t.test('all files together have a bound: rotated ones go first, the oldest of them first', async t => {
  const { write, all } = await filesIn(t, { allBytes: 30 })
  await write('a/access.log', '1234567890', 9_000)
  await write('b/access.log.1', '1234567890', 1_000)
  await write('c/access.log.1', '1234567890', 5_000)
  t.same((await all()).length, 3)
  await write('d/access.log', '1234567890')
  t.same(await all(), ['a/access.log', 'b/access.log.1', 'd/access.log'])
  await write('d/access.log', '1234567890')
  t.same(await all(), ['a/access.log', 'd/access.log'])
  await write('d/access.log', '1234567890')
  t.same(await all(), ['d/access.log'])
})

t.test('a folder goes with its app, to another name or away', async t => {
  const { files, write, read, all } = await filesIn(t)
  await write('shop/access.log', 'one\n')
  await write('shop/access.log.1', 'zero\n')
  await files.rename('shop', 'store')
  t.same(await all(), ['store/access.log', 'store/access.log.1'])
  await files.rename('shop', 'store')
  t.equal(await read('store/access.log'), 'one\n', 'as often as it is told')
  await files.remove('store')
  await files.remove('store')
  t.same(await all(), [])
})

t.test('where a worker was quicker with the new name, what it has written is the newer part', async t => {
  const { files, write, read, all } = await filesIn(t)
  await write('shop/access.log', 'one\n')
  await write('shop/access.log.1', 'zero\n')
  await write('shop/error.log', 'oh\n')
  await write('store/access.log', 'two\n')
  await files.rename('shop', 'store')
  t.same(await all(), ['store/access.log', 'store/access.log.1', 'store/error.log'])
  t.equal(await read('store/access.log'), 'two\n')
  t.equal(await read('store/access.log.1'), 'one\n')
})

t.test('a folder of no app goes when nothing has come to it for a day', async t => {
  const { files, write, all } = await filesIn(t)
  const day = 24 * 3600 * 1000
  await write('gone/access.log', 'x', 2 * day)
  await write('moving/access.log', 'x')
  await write('shop/access.log', 'x', 2 * day)
  await write('_host/access.log', 'x', 2 * day)
  await files.tidy(new Set())
  t.equal((await all()).length, 4, 'a table without apps is likelier lost')
  await files.tidy(new Set(['shop']))
  t.same(await all(), ['_host/access.log', 'moving/access.log', 'shop/access.log'])
})
