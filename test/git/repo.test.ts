import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import pino from 'pino'
import t from 'tap'

import { openRepositories } from '../../src/git/repo.ts'
import { createOutbound } from '../../src/outbound.ts'
import { plainEnv } from '../../src/settings.ts'
import { hooks, host } from './host.ts'

t.test('ensure makes a repository once, guarded even for git run by hand', async t => {
  const h = await host(t)
  await Promise.all(['a', 'a', 'a', 'b.c-d'].map(h.repositories.ensure))
  await h.repositories.ensure('a')
  t.same((await readdir(h.folder)).sort(), ['a.git', 'b.c-d.git', 'shop.git'])
  const config = async (key: string) => (await h.gitIn(join(h.folder, 'a.git'), ['config', key])).out.trim()
  t.equal(await config('core.hooksPath'), hooks)
  t.equal(await config('transfer.fsckObjects'), 'true')
  t.equal(await config('receive.fsck.badTimezone'), 'ignore')
  t.equal(await config('protocol.ext.allow'), 'never')
  t.equal(await config('core.bare'), 'true')
  t.equal(await config('receive.maxInputSize'), String(2 ** 31))
})

t.test('ensure puts back guards that were taken away', async t => {
  const h = await host(t)
  const before = await readFile(join(h.repo, 'config'), 'utf8')
  await writeFile(join(h.repo, 'config'), '[core]\n\tbare = true\n')
  await h.repositories.ensure('shop')
  t.equal(await readFile(join(h.repo, 'config'), 'utf8'), before)
})

t.test('a folder with a name that git would read as syntax is only a name', async t => {
  const odd = join(t.testdir(), 'a "b" \\c #d')
  const log = pino({ level: 'silent' })
  const reach = createOutbound({ allowed: [] })
  const repositories = openRepositories({ folder: odd, hooks, env: plainEnv(), log, reach })
  await repositories.ensure('x')
  t.equal(await repositories.tip('x', 'main'), undefined)
})

t.test('remove takes all of it away, and is content when there is nothing', async t => {
  const h = await host(t)
  await h.repositories.remove('shop')
  await h.repositories.remove('shop')
  t.same(await readdir(h.folder), [])
  await t.rejects(h.repositories.tip('shop', 'main'))
})

t.test('opening takes away what an interrupted daemon left', async t => {
  const h = await host(t)
  await mkdir(join(h.folder, '.tmp-1/objects'), { recursive: true })
  await mkdir(join(h.repo, 'objects/tmp_objdir-incoming-x/pack'), { recursive: true })
  const log = pino({ level: 'silent' })
  openRepositories({ folder: h.folder, hooks, env: {}, log, reach: createOutbound({ allowed: [] }) })
  t.same(await readdir(h.folder), ['shop.git'])
  t.notOk((await readdir(join(h.repo, 'objects'))).includes('tmp_objdir-incoming-x'))
})

t.test('names that are no names of apps never become paths', async t => {
  const h = await host(t)
  for (const name of ['..', 'a/b', '--help', '', 'A', '.a', 'a..b', 'a\n', `${'a'.repeat(64)}`]) {
    await t.rejects(async () => h.repositories.ensure(name), /not the name of a repository/)
  }
  t.same(await readdir(h.folder), ['shop.git'])
})

t.test('a clone checks out the branch that HEAD was set to', async t => {
  const h = await host(t)
  const tip = await h.commit({ a: 'a' })
  await h.must('push', 'davit', 'HEAD:refs/heads/production')
  await h.repositories.setHead('shop', 'production')
  await h.gitIn(h.dir, ['clone', '-q', 'ssh://davit/shop', 'again'])
  t.match(await h.gitIn(join(h.dir, 'again'), ['rev-parse', 'HEAD']), { out: `${tip}\n` })
  for (const branch of ['a..b', '', 'a b', '../../HEAD', '@{-1}', 'x.lock']) {
    await t.rejects(h.repositories.setHead('shop', branch), { code: 'bad-branch' })
  }
})

t.test('tip answers for the very branch only', async t => {
  const h = await host(t)
  const tip = await h.commit({ a: 'a' })
  await h.must('push', 'davit', 'HEAD:refs/heads/a/b')
  t.equal(await h.repositories.tip('shop', 'a/b'), tip)
  for (const branch of ['a', 'a/*', 'a/b~0', 'a/b^{tree}', '', '../heads/a/b']) {
    t.equal(await h.repositories.tip('shop', branch), undefined, branch)
  }
})

t.test('fetch speaks protocol 2, and upload-archive answers', async t => {
  const h = await host(t)
  await h.commit({ a: 'a' })
  await h.must('push', 'davit', 'main')
  const fetched = await h.git('-c', 'protocol.version=2', 'ls-remote', 'davit')
  t.match(fetched, { code: 0, out: /refs\/heads\/main/ })
  const archived = await h.git('archive', '--remote=ssh://davit/shop', 'main')
  t.equal(archived.code, 0, archived.err)
  t.match(archived.out, /ustar/)
})

t.test('gc makes one pack of many, and can be cancelled', async t => {
  const h = await host(t)
  for (const text of ['1', '2', '3']) {
    await h.commit({ a: text })
    await h.must('push', 'davit', 'main')
  }
  const packs = async () =>
    (await readdir(join(h.repo, 'objects/pack'))).filter(name => name.endsWith('.pack')).length
  t.equal(await packs(), 3)
  await t.rejects(h.repositories.gc('shop', { signal: AbortSignal.abort() }), { code: 'cancelled' })
  await h.repositories.gc('shop', { signal: new AbortController().signal })
  t.equal(await packs(), 1)
})

t.test('a copy has the branches, tags and HEAD of the other, and is its own', async t => {
  const h = await host(t)
  const old = await h.commit({ a: '1' })
  const tip = await h.commit({ a: '2' })
  await h.must('tag', 'v1', old)
  await h.must('push', 'davit', 'HEAD:refs/heads/live', 'HEAD~1:refs/heads/other', 'v1')
  await h.repositories.setHead('shop', 'live')
  const { signal } = new AbortController()
  await h.repositories.copy('shop', 'twin', { signal })
  t.equal(await h.repositories.tip('twin', 'live'), tip)
  t.equal(await h.repositories.tip('twin', 'other'), old)
  const twin = join(h.folder, 'twin.git')
  t.equal((await h.gitIn(twin, ['symbolic-ref', 'HEAD'])).out, 'refs/heads/live\n')
  t.equal((await h.gitIn(twin, ['rev-parse', 'v1'])).out, `${old}\n`)
  await h.repositories.remove('shop')
  t.equal((await h.gitIn(twin, ['fsck', '--full'])).code, 0, 'nothing of it was borrowed')
  await h.repositories.ensure('empty')
  await h.repositories.copy('empty', 'twin2', { signal })
  t.equal(await h.repositories.tip('twin2', 'main'), undefined)
})

t.test('a repository out of a shallow push is copied too', async t => {
  const h = await host(t)
  await h.commit({ a: '1' })
  const tip = await h.commit({ a: '2' })
  await h.gitIn(h.dir, ['clone', '-q', '--depth=1', `file://${h.clone}`, 'shallow'])
  const pushed = await h.gitIn(join(h.dir, 'shallow'), ['push', 'ssh://davit/shop', 'HEAD:refs/heads/main'])
  t.equal(pushed.code, 0, pushed.err)
  await h.repositories.copy('shop', 'twin', { signal: new AbortController().signal })
  t.equal(await h.repositories.tip('twin', 'main'), tip)
})
