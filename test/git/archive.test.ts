import { once } from 'node:events'

import t from 'tap'
import tar from 'tar-stream'

import { host, text } from './host.ts'

const never = new AbortController().signal

t.test('lists, reads and archives a commit by id or by branch', async t => {
  const h = await host(t)
  const tip = await h.commit({ 'b.txt': 'b', 'a/b/c': 'deep', é: 'e', 'new\nline': 'n' })
  await h.must('push', 'davit', 'main')
  for (const revision of [tip, 'main']) {
    const source = await h.repositories.source('shop', revision, { branch: 'main' })
    t.match(source, { revision: tip, branch: 'main' })
    t.same(await source.list(), ['a/b/c', 'b.txt', 'new\nline', 'é'])
    t.equal(String(await source.read('a/b/c')), 'deep')
    t.equal(String(await source.read('new\nline')), 'n')
    for (const path of ['a', 'a/b', 'nope', '', '/b.txt', './b.txt', 'a/../b.txt', '__proto__']) {
      t.equal(await source.read(path), undefined, path)
    }
  }
  const files: Record<string, string> = {}
  const source = await h.repositories.source('shop', tip, { branch: 'main' })
  const extract = tar.extract()
  source.archive({ signal: never }).pipe(extract)
  for await (const entry of extract)
    files[entry.header.name] = await text(entry as unknown as AsyncIterable<Buffer>)
  t.match(files, { 'b.txt': 'b', 'a/b/c': 'deep', é: 'e', 'new\nline': 'n' })
})

t.test('a link is listed and never read; a submodule is neither', async t => {
  const h = await host(t)
  const target = await h.object('blob', '/etc/passwd')
  const empty = await h.commit({})
  const tree = await h.tree(
    ['120000', 'Procfile', target],
    ['160000', 'lib', empty],
    ['100755', 'run', target],
  )
  const commit = await h.commitTree(tree)
  await h.must('push', 'davit', `${commit}:refs/heads/main`)
  const source = await h.repositories.source('shop', 'main', { branch: 'main' })
  t.same(await source.list(), ['Procfile', 'run'])
  t.equal(await source.read('Procfile'), undefined)
  t.equal(await source.read('lib'), undefined)
  t.equal(String(await source.read('run')), '/etc/passwd')
})

t.test('what is no commit is said to be none', async t => {
  const h = await host(t)
  await h.commit({ a: 'a' })
  await h.must('push', 'davit', 'main')
  const tree = await h.must('rev-parse', 'HEAD^{tree}')
  for (const revision of ['0'.repeat(40), tree, 'nope', 'main~0', '--help', 'HEAD', '', 'refs/heads/main']) {
    await t.rejects(
      h.repositories.source('shop', revision, { branch: 'main' }),
      { code: 'no-commit' },
      revision,
    )
  }
})

t.test('a few objects that name billions of files are refused', async t => {
  const h = await host(t, { limits: { listBytes: 1 << 20 } })
  let id = await h.object('blob', 'x')
  for (let depth = 0; depth < 8; depth++) {
    const mode = depth ? '40000' : '100644'
    id = await h.tree(...Array.from('0123456789', name => [mode, name, id] as [string, string, string]))
  }
  await h.must('push', 'davit', `${await h.commitTree(id)}:refs/heads/main`)
  await t.rejects(h.repositories.source('shop', 'main', { branch: 'main' }), { code: 'tree-too-large' })
})

t.test('files past the limits are refused', async t => {
  const h = await host(t, { limits: { fileBytes: 10, treeBytes: 2 ** 20 } })
  await h.commit({ a: 'x'.repeat(11), b: 'x' })
  await h.must('push', 'davit', 'main')
  const source = await h.repositories.source('shop', 'main', { branch: 'main' })
  await t.rejects(source.read('a'), { code: 'tree-too-large' })
  t.equal(String(await source.read('b')), 'x')
  await h.commit({ c: Buffer.alloc(2 ** 20) })
  await h.must('push', 'davit', 'main')
  await t.rejects(h.repositories.source('shop', 'main', { branch: 'main' }), { code: 'tree-too-large' })
})

t.test('an archive ends with an error when it is cancelled or git fails', async t => {
  const h = await host(t)
  const tip = await h.commit({ big: Buffer.alloc(20 << 20) })
  await h.must('push', 'davit', 'main')
  const source = await h.repositories.source('shop', tip, { branch: 'main' })

  const cancel = new AbortController()
  const archive = source.archive({ signal: cancel.signal })
  await once(archive, 'readable')
  cancel.abort()
  await t.rejects(archive.toArray(), { code: 'cancelled' })
  await t.rejects(source.archive({ signal: AbortSignal.abort() }).toArray(), { code: 'cancelled' })

  const left = source.archive({ signal: never })
  await once(left, 'readable')
  left.destroy()
  await once(left, 'close')

  await h.repositories.remove('shop')
  await h.repositories.ensure('shop')
  await t.rejects(source.archive({ signal: never }).toArray(), /git archive ended with 128/)
})
