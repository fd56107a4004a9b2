import { execFile } from 'node:child_process'
import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import pino from 'pino'
import { type Test, t } from 'tap'

import { openJournal } from '../../src/proxy/journal.ts'
import { dataFolder } from './running.ts'

const run = promisify(execFile)

/** A journal in a folder, with what it says of itself. */
function journalIn(t: Test, folder: string, pages?: number) {
  const said: string[] = []
  const wrote: [string, number][] = []
  const log = pino({ level: 'info' }, { write: line => void said.push(JSON.parse(line).msg) })
  const journal = openJournal({
    folder,
    log,
    wrote: (...each) => wrote.push(each),
    ...(pages === undefined ? {} : { pages }),
  })
  t.teardown(() => journal.close({ withinMs: 1_000 }))
  return { journal, said, wrote, written: () => journal.close({ withinMs: 5_000 }) }
}

const linesOf = async (path: string) => (await readFile(path, 'utf8')).split('\n').slice(0, -1)

t.test('lines are in their files a moment later, each file in the order they came', async t => {
  const folder = await dataFolder(t)
  const { journal, wrote, written } = journalIn(t, folder)
  const books = ['shop', 'blog'].map(app => journal.open(`${app}/access.log`))
  // Some longer than a page holds of them, and turn about, so that nothing of a file lies in one piece.
  const line = (at: number) => `${at} ${'x'.repeat(at % 300)}\n`
  for (let at = 0; at < 4_000; at++) journal.put(books[at % 2]!, line(at))
  t.same(wrote, [], 'nobody waits for the disk')
  await written()
  for (const [at, app] of ['shop', 'blog'].entries()) {
    const expected = Array.from({ length: 2_000 }, (_, n) => line(n * 2 + at).trim())
    t.same(
      (await linesOf(join(folder, `${app}/access.log`))).map(each => each.trim()),
      expected,
    )
    t.equal((await stat(join(folder, `${app}/access.log`))).mode & 0o777, 0o640)
  }
  t.match(wrote, [
    ['shop/access.log', (await stat(join(folder, 'shop/access.log'))).size],
    ['blog/access.log', (await stat(join(folder, 'blog/access.log'))).size],
  ])
})

t.test('two that write to one file leave each other’s lines whole', async t => {
  const folder = await dataFolder(t)
  const two = [journalIn(t, folder), journalIn(t, folder)]
  const books = two.map(({ journal }) => journal.open('shop/access.log'))
  for (let round = 0; round < 5; round++) {
    for (let at = 0; at < 500; at++) {
      for (const [who, { journal }] of two.entries()) journal.put(books[who]!, `${who} ${'x'.repeat(300)}\n`)
    }
    await Promise.all(two.map(({ written }) => written()))
  }
  const lines = await linesOf(join(folder, 'shop/access.log'))
  t.equal(lines.length, 5_000)
  t.same(
    lines.filter(each => !/^[01] x{300}$/.test(each)),
    [],
  )
})

t.test(
  'a disk that hangs holds nobody up; what finds no room is dropped, and the file says how much',
  async t => {
    const folder = await dataFolder(t)
    await mkdir(join(folder, 'shop'))
    // Opening it waits for somebody who reads.
    await run('mkfifo', [join(folder, 'shop/access.log')])
    const { journal } = journalIn(t, folder, 4)
    const stuck = journal.open('shop/access.log')
    journal.put(stuck, 'first\n')
    await journal.close({ withinMs: 1 })
    const before = performance.now()
    for (let at = 0; at < 5_000; at++) journal.put(stuck, `${'x'.repeat(99)}\n`)
    const perLineUs = ((performance.now() - before) * 1000) / 5_000
    t.ok(perLineUs < 1_000, `${perLineUs} us`)
    // Three pages besides the one that is being written, at 655 lines.
    t.equal(journal.dropped(), 5_000 - 3 * 655)
    const reader = await open(join(folder, 'shop/access.log'), 'r')
    t.teardown(() => reader.close())
    const block = Buffer.alloc(65_536)
    let heard = ''
    while (!heard.includes('"dropped":')) {
      heard += block.toString('latin1', 0, (await reader.read(block)).bytesRead)
    }
    t.equal(heard.match(/^x{99}$/gm)?.length, 3 * 655)
    t.match(heard, new RegExp(`^first\n(x{99}\n)+\\{"time":"[^"]+","dropped":${5_000 - 3 * 655}\\}\n$`))
  },
)

t.test('lines of very many files have room, whatever one file may have of it', async t => {
  const folder = await dataFolder(t)
  const { journal, written } = journalIn(t, folder, 2)
  const books = Array.from({ length: 300 }, (_, at) => journal.open(`app-${at}/access.log`))
  const line = `${'x'.repeat(299)}\n`
  for (let round = 0; round < 3; round++) for (const book of books) journal.put(book, line)
  t.equal(journal.dropped(), 0)
  await written()
  for (const at of [0, 1, 150, 299]) {
    t.equal(await readFile(join(folder, `app-${at}/access.log`), 'utf8'), line.repeat(3))
  }
  for (let at = 0; at < 1_000; at++) journal.put(books[0]!, line)
  t.equal(journal.dropped(), 1_000 - 2 * Math.floor(65_536 / 300), 'one file alone has the usual room')
})

t.test('lines of very many files gather for longer, unless they take half of the room', async t => {
  const folder = await dataFolder(t)
  const { journal, wrote, written } = journalIn(t, folder, 2)
  const books = Array.from({ length: 300 }, (_, at) => journal.open(`app-${at}/access.log`))
  const line = `${'x'.repeat(299)}\n`
  for (const book of books) journal.put(book, line)
  await pause(600)
  t.same(wrote, [])
  // More than 9 of 18 pages.
  for (let round = 0; round < 8; round++) for (const book of books) journal.put(book, line)
  await pause(600)
  t.ok(wrote.length > 0, `${wrote.length} files`)
  await written()
  t.equal(await readFile(join(folder, 'app-299/access.log'), 'utf8'), line.repeat(9))
  t.equal(journal.dropped(), 0)
})

const skip = process.getuid!() !== 0 && 'only root can make a small disk'

t.test(
  'a full disk is told once, loses only lines, and is written to again when there is room',
  { skip },
  async t => {
    const folder = await dataFolder(t)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'davit-test', folder])
    t.teardown(async () => void (await run('umount', [folder])))
    const { journal, said, written } = journalIn(t, folder)
    const book = journal.open('shop/access.log')
    for (let at = 0; at < 1_000; at++) journal.put(book, `${'x'.repeat(99)}\n`)
    await written()
    journal.put(book, 'no room\n')
    await written()
    t.match(said, [/^shop\/access\.log is not written, lines are dropped: the disk is full$/])
    const kept = (await linesOf(join(folder, 'shop/access.log'))).length
    t.equal(journal.dropped(), 1_000 - kept + 1)
    await writeFile(join(folder, 'shop/access.log'), '')
    journal.put(book, 'room again\n')
    await written()
    const lines = (await linesOf(join(folder, 'shop/access.log'))).filter(each => each !== '')
    t.equal(lines[0], 'room again')
    t.match(JSON.parse(lines[1]!), { dropped: 1_000 - kept + 1 })
    t.match(said.at(-1), 'log files are written again')
  },
)

t.test('a book follows its path, and one without a path is written nowhere', async t => {
  const folder = await dataFolder(t)
  const { journal, written } = journalIn(t, folder)
  const book = journal.open('shop/access.log')
  journal.put(book, 'one\n')
  await written()
  journal.put(book, 'two\n')
  book.path = 'store/access.log'
  await written()
  t.same(await linesOf(join(folder, 'shop/access.log')), ['one'])
  t.same(await linesOf(join(folder, 'store/access.log')), ['two'])
  book.path = undefined
  await rm(join(folder, 'store'), { recursive: true })
  journal.put(book, 'three\n')
  await written()
  await t.rejects(stat(join(folder, 'store')), { code: 'ENOENT' })
})

t.test('no link leads a log elsewhere', async t => {
  const folder = await dataFolder(t)
  await mkdir(join(folder, 'shop'))
  await run('ln', ['-s', join(folder, 'elsewhere'), join(folder, 'shop/access.log')])
  const { journal, said, written } = journalIn(t, folder)
  journal.put(journal.open('shop/access.log'), 'one\n')
  await written()
  t.match(said, [/is not written, lines are dropped: ELOOP/])
  await t.rejects(stat(join(folder, 'elsewhere')), { code: 'ENOENT' })
})
