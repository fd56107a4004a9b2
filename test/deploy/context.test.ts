import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'

import { t } from 'tap'
import tar from 'tar-stream'

import { buildContext, type ContextOptions } from '../../src/deploy/context.ts'
import type { Source } from '../../src/types.ts'

const never = new AbortController().signal

t.test('the context is the source and the generated files', async t => {
  const source = archive(tar => {
    tar.entry({ name: 'app.py', mode: 0o755 }, 'print()')
    tar.entry({ name: 'static', type: 'directory' })
    tar.entry({ name: 'static/a.css' }, 'a')
    tar.entry({ name: 'empty' }, '')
  })
  t.strictSame(await read(source, { files: { Dockerfile: 'FROM x', 'deep/er': 'y' } }), {
    'app.py': 'print()',
    static: '<directory>',
    'static/a.css': 'a',
    empty: '',
    Dockerfile: 'FROM x',
    'deep/er': 'y',
  })
})

t.test('a generated file wins over the source’s own', async t => {
  const source = archive(tar => {
    tar.entry({ name: 'Dockerfile' }, 'FROM theirs')
    tar.entry({ name: 'linked', type: 'symlink', linkname: '/etc/passwd' })
    tar.entry({ name: 'a' }, 'a')
  })
  t.strictSame(await read(source, { files: { Dockerfile: 'FROM ours', linked: 'ours' } }), {
    a: 'a',
    Dockerfile: 'FROM ours',
    linked: 'ours',
  })
})

t.test('a source may have files with names that every object knows', async t => {
  const source = archive(tar => {
    for (const name of ['constructor', 'toString', '__proto__']) tar.entry({ name }, 'theirs')
  })
  const kept = await read(source, { files: { Dockerfile: 'x' } })
  t.strictSame(Object.keys(kept).sort(), ['Dockerfile', '__proto__', 'constructor', 'toString'])
})

t.test('what .dockerignore names is left out, and generated files never are', async t => {
  const source = archive(tar => {
    for (const name of ['a.log', 'keep.log', 'sub/a.log', 'secret/key', 'secret/README', '.git/x', 'app.py'])
      tar.entry({ name }, '')
    tar.entry({ name: 'old', type: 'symlink', linkname: 'x' })
  })
  const ignore = '# what stays here\r\n*.log\r\n!keep.log\nsecret\n!secret/README\n**/.git\n/old\n.davit\n'
  t.strictSame(Object.keys(await read(source, { files: { '.davit': 'x' }, ignore })), [
    'keep.log',
    'sub/a.log',
    'secret/README',
    'app.py',
    '.davit',
  ])
})

t.test('links stay links, and modes and long or foreign names stay as they are', async t => {
  const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(90)}`
  const source = archive(tar => {
    tar.entry({ name: 'link', type: 'symlink', linkname: '../../etc/passwd' })
    tar.entry({ name: 'longlink', type: 'symlink', linkname: long })
    tar.entry({ name: 'run', mode: 0o755 }, 'x')
    tar.entry({ name: long }, 'y')
    tar.entry({ name: 'schön 日本' }, 'z')
  })
  const headers = await headersOf(source, { files: {} })
  t.match(headers, [
    { name: 'link', type: 'symlink', linkname: '../../etc/passwd' },
    { name: 'longlink', type: 'symlink', linkname: long },
    { name: 'run', type: 'file', mode: 0o755 },
    { name: long, type: 'file', size: 1 },
    { name: 'schön 日本', size: 1 },
  ])
})

t.test('an archive that fails ends the context with its error', async t => {
  const whole = await bytes(
    archive(tar => {
      tar.entry({ name: 'a' }, 'a'.repeat(5_000))
      tar.entry({ name: 'b' }, 'b'.repeat(5_000))
    }),
  )
  for (const at of [0, 100, 512, 3_000, 6_000, 7_000]) {
    const broken = new PassThrough()
    broken.write(whole.subarray(0, at))
    const reading = read(broken, { files: { Dockerfile: 'x' } })
    setImmediate(() => broken.destroy(new Error('git is gone')))
    await t.rejects(reading, { message: 'git is gone' }, `after ${at} bytes`)
  }
})

t.test('an archive that ends too early, or is none, is no context', async t => {
  const whole = await bytes(archive(tar => tar.entry({ name: 'a' }, 'a'.repeat(5_000))))
  await t.rejects(read(Readable.from([whole.subarray(0, 3_000)]), { files: {} }))
  await t.rejects(read(Readable.from([Buffer.alloc(2_000, 'x')]), { files: {} }))
})

t.test('a large archive flows through as it is read, and never lies in memory', async t => {
  const size = 256 * 2 ** 20
  let made = 0
  const source = tar.pack()
  const entry = source.entry({ name: 'large', size })
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const produce = async () => {
    for (; made < size; made += chunk.length) if (!entry.write(chunk)) await once(entry as never, 'drain')
    entry.end(undefined)
    source.finalize()
  }
  void produce()
  const context = buildContext(of(source as unknown as Readable), options({ files: { Dockerfile: 'x' } }))
  let taken = 0
  let ahead = 0
  for await (const piece of context as AsyncIterable<Buffer>) {
    taken += piece.length
    ahead = Math.max(ahead, made - taken)
    if (taken < 4 * 2 ** 20) await turn()
  }
  t.ok(taken > size, 'all of it came')
  t.ok(ahead < 4 * 2 ** 20, `at most ${ahead} bytes were on the way`)
})

t.test('who stops reading stops the archive', async t => {
  const source = tar.pack()
  const entry = source.entry({ name: 'endless', size: 2 ** 33 })
  const archive = source as unknown as Readable
  const closed = new Promise(resolve => archive.once('close', resolve))
  const produce = () => {
    while (!archive.destroyed && entry.write(Buffer.alloc(64 * 1024)));
  }
  entry.on('drain', produce)
  entry.on('error', () => undefined)
  archive.on('error', () => undefined)
  produce()
  const context = buildContext(of(archive), options({ files: {} }))
  context.on('error', () => undefined)
  await once(context, 'data')
  context.destroy()
  await closed
  t.ok(archive.destroyed)
})

function options({ files, ignore }: Partial<ContextOptions>): ContextOptions {
  return { files: files ?? {}, ignore, signal: never }
}

function of(archive: Readable): Source {
  return {
    revision: 'x',
    branch: 'main',
    list: async () => [],
    read: async () => undefined,
    archive: () => archive,
  }
}

function archive(fill: (pack: tar.Pack) => void): Readable {
  const pack = tar.pack()
  fill(pack)
  pack.finalize()
  return pack as unknown as Readable
}

/** Path to content. */
async function read(source: Readable, given: Partial<ContextOptions>): Promise<Record<string, string>> {
  const found: [string, string][] = []
  for await (const entry of entries(source, given)) {
    const { name, type } = entry.header
    let text = ''
    for await (const chunk of entry) text += chunk
    found.push([name.replace(/\/$/, ''), type === 'file' ? text : `<${type}>`])
  }
  return Object.fromEntries(found)
}

async function headersOf(source: Readable, given: Partial<ContextOptions>): Promise<tar.Header[]> {
  const found: tar.Header[] = []
  for await (const entry of entries(source, given)) {
    found.push(entry.header)
    entry.resume()
  }
  return found
}

function entries(source: Readable, given: Partial<ContextOptions>): tar.Extract {
  const extract = tar.extract()
  const context = buildContext(of(source), options(given))
  context.on('error', error => extract.destroy(error))
  context.pipe(extract as unknown as NodeJS.WritableStream)
  return extract
}

async function bytes(stream: Readable): Promise<Buffer> {
  return Buffer.concat(await Readable.from(stream).toArray())
}
