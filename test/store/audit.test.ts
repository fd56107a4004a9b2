import { createHash } from 'node:crypto'

import Database from 'better-sqlite3'
import t, { type Test } from 'tap'

import type { Audit } from '../../src/store/store.ts'
import type { Identity } from '../../src/types.ts'
import { place, store } from './fixture.ts'

interface Row {
  readonly id: number
  readonly at: number
  readonly key: string
  readonly line: string
  readonly exit: number | null
  readonly of: number | null
}

const ana: Identity = { person: 'ana', key: 'SHA256:a', role: 'admin' }

/** Five entries, and the file as someone has it who can write to it but has no key. */
function audited(t: Test, count = 5) {
  const at = place(t)
  const { audit } = store(t, { at })
  for (let exit = 0; exit < count; exit++) note(audit, `apps:create app${exit}`, { exit, at: 1000 + exit })
  const db = new Database(at.file)
  t.teardown(() => db.close())
  const tamper = (sql: string) => db.exec(`DROP TRIGGER audit_stays; DROP TRIGGER audit_holds; ${sql}`)
  return { audit, db, tamper }
}

/** A command from its beginning to its end. */
function note(audit: Audit, line: string, { exit = 0, at = 0 } = {}): void {
  audit.end(audit.begin({ by: ana, line, at: new Date(at) }), { exit, at: new Date(at + 500) })
}

t.test('who did what when is listed, newest first, and how it ended', async t => {
  const { audit } = audited(t)
  const [last, before, ...others] = audit.list({ limit: 2 })
  t.match(last, { at: new Date(1004), person: 'ana', key: 'SHA256:a', line: 'apps:create app4', exit: 4 })
  t.match(last, { endedAt: new Date(1504) })
  t.match(before, { line: 'apps:create app3', exit: 3 })
  t.same(others, [])
  t.equal(audit.broken(), undefined)
})

t.test('what runs is written down already, and what was cut off stays without an exit', async t => {
  const { audit, db } = audited(t, 1)
  const first = audit.begin({ by: ana, line: 'ps:scale shop web=2', at: new Date(2000) })
  audit.begin({ by: ana, line: 'apps:destroy shop', at: new Date(2001) })
  const states = () =>
    audit.list({ limit: 3 }).map(({ line, exit, endedAt }) => [line, exit, endedAt?.getTime()])
  t.strictSame(states(), [
    ['apps:destroy shop', undefined, undefined],
    ['ps:scale shop web=2', undefined, undefined],
    ['apps:create app0', 0, 1500],
  ])
  audit.end(first, { exit: 1, at: new Date(3000) })
  audit.cutOff({ at: new Date(4000) })
  audit.cutOff({ at: new Date(5000) })
  t.strictSame(states().slice(0, 2), [
    ['apps:destroy shop', undefined, 4000],
    ['ps:scale shop web=2', 1, 3000],
  ])
  t.throws(() => audit.end(first, { exit: 0, at: new Date() }), /UNIQUE/, 'nothing ends twice')
  t.throws(() => audit.end(99, { exit: 0, at: new Date() }), /no command 99/)
  t.equal(audit.broken(), undefined)
  t.equal(db.prepare('SELECT count(*) FROM audit').pluck().get(), 6)
})

t.test('entries of an older Davit, one row each, stay whole and listed', async t => {
  const { audit, db } = audited(t, 0)
  const fields = [1, 1000, 'ana', 'SHA256:a', 'apps:create old', 3]
  const hash = createHash('sha256')
    .update(JSON.stringify(['', ...fields]))
    .digest('hex')
  db.prepare('INSERT INTO audit (id, at, person, key, line, exit, hash) VALUES (?, ?, ?, ?, ?, ?, ?)').run(
    ...fields,
    hash,
  )
  audit.cutOff({ at: new Date(2000) })
  t.match(audit.list({ limit: 2 }), [{ id: 1, line: 'apps:create old', exit: 3, endedAt: undefined }])
  t.match(audit.broken(), { id: 1 }, 'but for the seal of the newest, which this one never had')
})

t.test('an empty audit is whole', async t => {
  t.equal(store(t).audit.broken(), undefined)
})

t.test('lines of any bytes keep the chain whole', async t => {
  const { audit } = audited(t)
  for (const line of ['', 'a\0b', '\ud800', '🚢', '"\\', 'a\nb']) note(audit, line)
  t.equal(audit.broken(), undefined)
  t.equal(audit.list({ limit: 5 }).at(-1)?.line, 'a\0b')
})

t.test('entries can be neither edited nor removed by mistake', async t => {
  const { db } = audited(t)
  t.throws(() => db.exec('DELETE FROM audit'), /The audit only grows/)
  t.throws(() => db.exec('UPDATE audit SET exit = 0'), /The audit only grows/)
})

for (const change of [
  `person = 'bob'`,
  `key = 'local'`,
  `line = 'version'`,
  'exit = 0',
  'at = 0',
  '"of" = 77',
  `hash = 'f00'`,
]) {
  t.test(`an entry edited to ${change} is found`, async t => {
    const { audit, tamper } = audited(t)
    tamper(`UPDATE audit SET ${change} WHERE id = 3`)
    t.match(audit.broken(), { id: 3 })
  })
}

t.test('a removed entry is found by the one after it', async t => {
  const { audit, tamper } = audited(t)
  tamper('DELETE FROM audit WHERE id = 3')
  t.match(audit.broken(), { id: 4 })
})

t.test('a removed first entry is found', async t => {
  const { audit, tamper } = audited(t)
  tamper('DELETE FROM audit WHERE id = 1')
  t.match(audit.broken(), { id: 2 })
})

t.test('reordered entries are found', async t => {
  const { audit, tamper } = audited(t)
  tamper(
    `UPDATE audit SET id = 99 WHERE id = 2; UPDATE audit SET id = 2 WHERE id = 3; UPDATE audit SET id = 3 WHERE id = 99`,
  )
  t.match(audit.broken(), { id: 2 })
})

t.test('a cut-off end is found, also after new entries', async t => {
  const { audit, tamper } = audited(t)
  tamper('DELETE FROM audit WHERE id > 3')
  t.match(audit.broken(), { id: 10, line: 'apps:create app4' })
  note(audit, 'version')
  t.match(audit.broken(), { id: 11, line: 'version' })
})

t.test('a chain written anew without the key is found', async t => {
  const { audit, db, tamper } = audited(t)
  const rows = db.prepare<[], Row>('SELECT * FROM audit ORDER BY id').all()
  tamper('DELETE FROM audit')
  let hash = ''
  for (const { id, at, key, line, exit, of } of rows) {
    hash = createHash('sha256')
      .update(JSON.stringify([hash, id, at, 'bob', key, line, exit, ...(of === null ? [] : [of])]))
      .digest('hex')
    const values = [id, at, 'bob', key, line, exit, of, hash]
    db.prepare(`INSERT INTO audit VALUES (${values.map(() => '?').join(', ')})`).run(...values)
  }
  t.match(audit.broken(), { id: 10, person: 'ana' })
})

t.test('an audit that was emptied is found', async t => {
  const { audit, tamper } = audited(t)
  tamper('DELETE FROM audit')
  t.match(audit.broken(), { id: 10 })
})

t.test(
  'a removed or damaged seal of the newest entry is found, and what people do is still written down',
  async t => {
    const { audit, db } = audited(t)
    db.exec('DELETE FROM audit_head')
    t.match(audit.broken(), { id: 10 })
    note(audit, 'version')
    t.match(audit.broken(), { id: 11 })
    db.exec(`UPDATE audit_head SET entry = x'0102'`)
    note(audit, 'version')
    t.match(audit.list({ limit: 1 }), [{ id: 13 }])
  },
)
