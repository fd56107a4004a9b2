import { once } from 'node:events'
import { chmodSync, copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'

import Database from 'better-sqlite3'
import t from 'tap'

import { migrate } from '../../src/store/migrate.ts'
import { migrations } from '../../src/store/migrations.ts'
import { openStore } from '../../src/store/open.ts'
import type { Env } from '../../src/types.ts'
import { newContainer, newRelease, place, shop, spec, store, writer } from './fixture.ts'

t.test('the files of a store are for its owner alone', async t => {
  const at = place(t)
  store(t, { at }).apps.add(shop)
  for (const file of [at.file, `${at.file}-wal`, `${at.file}-shm`, at.keyFile]) {
    t.equal(statSync(file).mode & 0o777, 0o600, file)
  }
})

t.test('a store that was left open to others is closed to them', async t => {
  const at = place(t)
  openStore(at).close()
  chmodSync(at.file, 0o644)
  store(t, { at }).apps.add(shop)
  t.equal(statSync(at.file).mode & 0o777, 0o600)
  t.equal(statSync(`${at.file}-wal`).mode & 0o777, 0o600)
})

t.test('what was written is there after a restart', async t => {
  const at = place(t)
  const before = openStore(at)
  before.apps.add(shop)
  before.config.change(shop, { set: { GREETING: 'hello' } })
  before.close()
  const after = store(t, { at })
  t.match(after.apps.list(), [{ name: 'shop', retired: false }])
  t.strictSame(after.config.list(shop), [{ key: 'GREETING', value: 'hello', owner: '' }])
})

t.test('a throw undoes the whole transaction', async t => {
  const { apps, transaction } = store(t)
  const stop = () =>
    transaction(() => {
      apps.add(shop)
      throw new Error('no')
    })
  t.throws(stop, { message: 'no' })
  t.strictSame(apps.list(), [])
})

t.test('a throw in a nested transaction undoes only that one when it is caught', async t => {
  const { apps, config, transaction } = store(t)
  transaction(() => {
    apps.add(shop)
    try {
      transaction(() => {
        config.change(shop, { set: { A: '1' } })
        throw new Error('no')
      })
    } catch {}
    config.change(shop, { set: { B: '2' } })
  })
  t.match(config.list(shop), [{ key: 'B' }])
})

t.test('a transaction that would wait for something is refused and undone', async t => {
  const { apps, transaction } = store(t)
  t.throws(() => transaction(async () => apps.add(shop)), TypeError)
  t.strictSame(apps.list(), [])
})

t.test('a store written by a newer Davit is refused, with the way out, and left as it is', async t => {
  const at = place(t)
  openStore(at).close()
  const db = new Database(at.file)
  db.pragma('user_version = 999')
  db.close()
  t.throws(() => openStore(at), {
    code: 'store-newer',
    message: /written by a newer Davit: format 999, this one knows/,
    hint: /newer version again, or restore a backup/,
  })
  t.equal(new Database(at.file, { readonly: true }).pragma('user_version', { simple: true }), 999)
})

t.test('a migration that fails leaves the store as it was', async t => {
  const db = new Database(place(t).file)
  t.teardown(() => db.close())
  migrate(db, 'davit.db')
  const broken = [...migrations, 'CREATE TABLE one (id INTEGER) STRICT;', 'CREATE TABLE two (']
  t.throws(() => migrate(db, 'davit.db', broken))
  t.equal(db.pragma('user_version', { simple: true }), migrations.length)
  t.strictSame(db.prepare(`SELECT name FROM sqlite_schema WHERE name = 'one'`).all(), [])
})

t.test('only the migrations that are missing run', async t => {
  const db = new Database(place(t).file)
  t.teardown(() => db.close())
  migrate(db, 'davit.db')
  migrate(db, 'davit.db', [...migrations, 'CREATE TABLE one (id INTEGER) STRICT;'])
  t.equal(db.pragma('user_version', { simple: true }), migrations.length + 1)
})

t.test('a file that is no store is refused', async t => {
  const at = place(t)
  writeFileSync(at.file, 'Dear diary, '.repeat(500))
  t.throws(() => openStore(at), { code: 'store-damaged', hint: /backup/ })
})

t.test('nothing secret is in the files, neither while it is open nor after', async t => {
  const at = place(t)
  const opened = openStore(at)
  const secret = 'correct-horse-battery'
  const env: Env = { PASSWORD: secret }
  opened.apps.add(shop)
  opened.config.change(shop, { set: env })
  opened.config.change(undefined, { set: env })
  opened.properties.set('letsencrypt', shop, 'dns-token', secret)
  opened.releases.add(shop, newRelease({ config: env }))
  opened.containers.add(shop, newContainer({ spec: { ...spec, env } }))
  const step = opened.steps.begin(shop, { kind: 'rollout', phase: 'started', data: env })
  opened.steps.advance(step, { phase: 'pointing', data: { ...env, more: secret } })
  opened.kv.set('postgres', 'db', { password: secret })
  const kept = ['', '-wal'].map(end => readFileSync(at.file + end))
  opened.close()
  for (const bytes of [...kept, readFileSync(at.file)]) {
    t.ok(bytes.includes('rollout') || bytes.length < 10_000, 'what is not secret can be found')
    t.notOk(bytes.includes(secret))
  }
})

t.test('two processes that open a new store and write at once lose nothing', async t => {
  const at = place(t)
  const writers = ['one', 'two'].map(name => writer(t, at, [name, '150']))
  await Promise.all(writers.map(({ lines }) => once(lines, 'line')))
  const said: number[] = []
  for (const { child, lines } of writers) {
    lines.on('line', line => said.push(Number(line)))
    child.stdin!.write('go')
  }
  t.strictSame(await Promise.all(writers.map(({ ended }) => ended)), [0, 0])
  const numbers = Array.from({ length: 300 }, (_, index) => index + 1)
  t.strictSame(
    said.toSorted((a, b) => a - b),
    numbers,
  )
  const { releases, kv } = store(t, { at })
  t.strictSame(
    releases.list(shop).map(release => release.number),
    numbers.toReversed(),
  )
  t.equal(kv.list('one').length, 150)
  t.equal(kv.list('two').length, 150)
})

t.test('a writer killed in the middle loses nothing that it had said', async t => {
  const at = place(t)
  const { child, lines, ended } = writer(t, at, ['one', '1000000'])
  const said: number[] = []
  lines.on('line', line => {
    if (line === 'ready') return void child.stdin!.write('go')
    said.push(Number(line))
    if (said.length === 200) child.kill('SIGKILL')
  })
  await ended
  const { releases, kv, apps } = store(t, { at })
  const kept = new Set(releases.list(shop).map(release => release.number))
  t.ok(said.length >= 200)
  t.strictSame(
    said.filter(number => !kept.has(number)),
    [],
  )
  t.equal(kv.list('one').length, kept.size, 'each transaction is there as a whole or not at all')
  t.equal(apps.add('next' as typeof shop).name, 'next')
})

t.test('a store whose power failed opens from what is on the disk', async t => {
  const at = place(t)
  const running = store(t, { at })
  running.apps.add(shop)
  running.config.change(shop, { set: { GREETING: 'hello' } })
  const found = { file: `${at.file}.found`, keyFile: at.keyFile }
  copyFileSync(at.file, found.file)
  copyFileSync(`${at.file}-wal`, `${found.file}-wal`)
  t.match(store(t, { at: found }).config.list(shop), [{ key: 'GREETING', value: 'hello' }])
})
