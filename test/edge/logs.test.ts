import { appendFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { type Test, t } from 'tap'

import { readLog } from '../../src/edge/logs.ts'
import { dataFolder } from '../proxy/running.ts'

async function logIn(t: Test) {
  const folder = await dataFolder(t)
  const ended = new AbortController()
  t.teardown(() => ended.abort())
  let path: string | undefined = join(folder, 'access.log')
  return {
    folder,
    path,
    end: () => ended.abort(),
    moves: (to: string | undefined) => {
      path = to
    },
    last: async (tail: number) => {
      const lines: string[] = []
      for await (const line of readLog(() => path, { tail, follow: false, signal: ended.signal }))
        lines.push(line)
      return lines
    },
    follow: (tail: number) => {
      const lines = readLog(() => path, { tail, follow: true, signal: ended.signal })[Symbol.asyncIterator]()
      t.teardown(() => void lines.return?.())
      return lines
    },
  }
}

type Following = AsyncIterator<string>
const next = async (lines: Following, count: number) => {
  const got: string[] = []
  while (got.length < count) got.push((await lines.next()).value)
  return got
}
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => `${from + at} ${'x'.repeat((from + at) % 200)}`)
const text = (lines: readonly string[]) => lines.map(each => `${each}\n`).join('')

t.test('the last lines, also where the file was just rotated', async t => {
  const { path, last } = await logIn(t)
  t.same(await last(10), [])
  await writeFile(path, text(numbers(3_000, 6_000)))
  t.same(await last(3), numbers(5_997, 6_000))
  t.same(await last(3_000), numbers(3_000, 6_000))
  t.same(await last(9_000), numbers(3_000, 6_000))
  await writeFile(`${path}.1`, text(numbers(0, 3_000)))
  t.same(await last(2), numbers(5_998, 6_000))
  t.same(await last(3_002), numbers(2_998, 6_000))
  t.same(await last(9_000), numbers(0, 6_000))
  await rm(path)
  t.same(await last(2), numbers(2_998, 3_000))
})

t.test('a line counts when it has its end', async t => {
  const { path, last } = await logIn(t)
  await writeFile(path, 'one\ntwo\nhal')
  t.same(await last(2), ['two'])
  await appendFile(path, 'f\n\0\0\n')
  t.same(await last(9), ['one', 'two', 'half'])
})

t.test('it goes on as lines come, through rotations', async t => {
  const { path, follow } = await logIn(t)
  await writeFile(path, 'a\nb\n')
  const lines = follow(1)
  t.same(await next(lines, 1), ['b'])
  await appendFile(path, 'c\nd')
  t.same(await next(lines, 1), ['c'])
  await appendFile(path, 'd\n')
  t.same(await next(lines, 1), ['dd'])
  await appendFile(path, 'e\n')
  await rename(path, `${path}.1`)
  await appendFile(`${path}.1`, 'f\n')
  t.same(await next(lines, 2), ['e', 'f'])
  await writeFile(path, 'g\n')
  t.same(await next(lines, 1), ['g'])
  // Twice before anybody has looked.
  await appendFile(path, 'h\n')
  await rename(path, `${path}.1`)
  await writeFile(path, 'i\n')
  await rename(path, `${path}.1`)
  await writeFile(path, 'j\n')
  t.same(await next(lines, 3), ['h', 'i', 'j'])
})

t.test('it begins where nothing is yet, and ends with the signal', async t => {
  const { path, follow, end } = await logIn(t)
  const lines = follow(5)
  const first = lines.next()
  await writeFile(path, 'a\n')
  t.match(await first, { value: 'a' })
  const after = lines.next()
  end()
  t.match(await after, { done: true })
})

t.test('it follows an app to another name, and ends with it', async t => {
  const { folder, path, follow, moves } = await logIn(t)
  await writeFile(path, 'a\n')
  const lines = follow(5)
  t.same(await next(lines, 1), ['a'])
  await mkdir(join(folder, 'new'))
  await rename(path, join(folder, 'new/access.log'))
  moves(join(folder, 'new/access.log'))
  await appendFile(join(folder, 'new/access.log'), 'b\n')
  t.same(await next(lines, 1), ['b'])
  moves(undefined)
  t.match(await lines.next(), { done: true })
})

t.test('a slow reader loses nothing that is still on the disk', async t => {
  const { path, follow } = await logIn(t)
  await writeFile(path, text(numbers(0, 2_000)))
  const lines = follow(2_000)
  t.same(await next(lines, 10), numbers(0, 10))
  await rename(path, `${path}.1`)
  await writeFile(path, text(numbers(2_000, 2_010)))
  t.same(await next(lines, 2_000), numbers(10, 2_010))
})

t.test('no link leads to another file', async t => {
  const { folder, path, last } = await logIn(t)
  await writeFile(join(folder, 'secret'), 'secret\n')
  await symlink(join(folder, 'secret'), path)
  await t.rejects(last(1), { code: 'ELOOP' })
})
