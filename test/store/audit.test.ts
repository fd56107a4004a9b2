import { createHash } from 'node:crypto'

import Database from 'better-sqlite3'
import t, { type Test } from 'tap'

import type { AuditEntry, Identity } from '../../src/types.ts'
import { place, store } from './fixture.ts'

const ana: Identity = { person: 'ana', key: 'SHA256:a', role: 'admin' }

/** Five entries, and the file as someone has it who can write to it but has no key. */
function audited(t: Test, count = 5) {
  const at = place(t)
  const { audit } = store(t, { at })
  for (let exit = 0; exit < count; exit++) {
    audit.add({ by: ana, line: `apps:create app${exit}`, exit, at: new Date(1000 + exit) })
  }
  const db = new Database(at.file)
  t.teardown(() => db.close())
  const tamper = (sql: string) => db.exec(`DROP TRIGGER audit_stays; DROP TRIGGER audit_holds; ${sql}`)
  return { audit, db, tamper }
}

t.test('who did what when is listed, newest first', async t => {
  const { audit } = audited(t)
  t.match(audit.list({ limit: 2 }), [
    { id: 5, at: new Date(1004), person: 'ana', key: 'SHA256:a', line: 'apps:create app4', exit: 4 },
    { id: 4 },
  ])
  t.equal(audit.broken(), undefined)
})

t.test('an empty audit is whole', async t => {
  t.equal(store(t).audit.broken(), undefined)
})

t.test('lines of any bytes keep the chain whole', async t => {
  const { audit } = audited(t)
  for (const line of ['', 'a\0b', '\ud800', '🚢', '"\\', 'a\nb'])
    audit.add({ by: ana, line, exit: 0, at: new Date() })
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
  t.match(audit.broken(), { id: 5, line: 'apps:create app4' })
  audit.add({ by: ana, line: 'version', exit: 0, at: new Date() })
  t.match(audit.broken(), { id: 6, line: 'version' })
})

t.test('a chain written anew without the key is found', async t => {
  const { audit, db, tamper } = audited(t)
  const rows = db.prepare<[], AuditEntry>('SELECT * FROM audit ORDER BY id').all()
  tamper('DELETE FROM audit')
  let hash = ''
  for (const { id, at, key, line, exit } of rows) {
    hash = createHash('sha256')
      .update(JSON.stringify([hash, id, at, 'bob', key, line, exit]))
      .digest('hex')
    db.prepare('INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)').run(id, at, 'bob', key, line, exit, hash)
  }
  t.match(audit.broken(), { id: 5, person: 'ana' })
})

t.test('an audit that was emptied is found', async t => {
  const { audit, tamper } = audited(t)
  tamper('DELETE FROM audit')
  t.match(audit.broken(), { id: 5 })
})

t.test(
  'a removed or damaged seal of the newest entry is found, and what people do is still written down',
  async t => {
    const { audit, db } = audited(t)
    db.exec('DELETE FROM audit_head')
    t.match(audit.broken(), { id: 5 })
    audit.add({ by: ana, line: 'version', exit: 0, at: new Date() })
    t.match(audit.broken(), { id: 6 })
    db.exec(`UPDATE audit_head SET entry = x'0102'`)
    audit.add({ by: ana, line: 'version', exit: 0, at: new Date() })
    t.match(audit.list({ limit: 1 }), [{ id: 7 }])
  },
)
