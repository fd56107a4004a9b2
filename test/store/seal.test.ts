import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'

import Database from 'better-sqlite3'
import t from 'tap'

import { openSeal } from '../../src/seal.ts'
import { openStore } from '../../src/store/open.ts'
import { place, shop, store } from './fixture.ts'

t.test('a sealed value opens in its own place only', async t => {
  const seal = openSeal(place(t).keyFile, { make: true })
  const sealed = seal.seal('pâté 🍞', ['config', 1, 'A'])
  t.equal(seal.open(sealed, ['config', 1, 'A']), 'pâté 🍞')
  t.throws(() => seal.open(sealed, ['config', 2, 'A']), { code: 'seal-broken' })
  t.throws(() => seal.open(sealed, ['config', 1, 'A', '']), { code: 'seal-broken' })
  t.throws(() => seal.open(sealed, ['config', '1', 'A']), { code: 'seal-broken' })
})

t.test('a sealed value of which any byte is changed, or the end is missing, does not open', async t => {
  const seal = openSeal(place(t).keyFile, { make: true })
  const sealed = seal.seal('secret', [])
  t.equal(sealed[0], 1, 'the version is up front')
  for (const at of sealed.keys()) {
    const changed = Buffer.from(sealed)
    changed[at]! ^= 1
    t.throws(() => seal.open(changed, []), { code: 'seal-broken' })
    t.throws(() => seal.open(sealed.subarray(0, at), []), { code: 'seal-broken' })
  }
})

t.test('the same value sealed twice looks different', async t => {
  const seal = openSeal(place(t).keyFile, { make: true })
  t.notSame(seal.seal('secret', []), seal.seal('secret', []))
})

t.test('an empty value can be sealed', async t => {
  const seal = openSeal(place(t).keyFile, { make: true })
  t.equal(seal.open(seal.seal('', []), []), '')
})

t.test('the key is made once, for its owner alone, and nothing is left beside it', async t => {
  const { keyFile } = place(t)
  openSeal(keyFile, { make: true })
  const key = readFileSync(keyFile)
  t.equal(key.length, 32)
  t.equal(statSync(keyFile).mode & 0o777, 0o600)
  openSeal(keyFile, { make: true })
  t.strictSame(readFileSync(keyFile), key)
  t.strictSame(readdirSync(dirname(keyFile)), ['seal.key'])
})

for (const mode of [0o640, 0o604, 0o660, 0o601]) {
  t.test(`a key with mode ${mode.toString(8)} is refused, with the command that closes it`, async t => {
    const at = place(t)
    openStore(at).close()
    chmodSync(at.keyFile, mode)
    t.throws(() => openStore(at), { code: 'key-loose', hint: `Close it with: chmod 600 ${at.keyFile}` })
  })
}

for (const length of [0, 31, 33, 64]) {
  t.test(`a key of ${length} bytes is refused and not replaced`, async t => {
    const at = place(t)
    writeFileSync(at.keyFile, Buffer.alloc(length), { mode: 0o600 })
    t.throws(() => openStore(at), { code: 'key-damaged', message: /32 bytes/ })
    t.equal(statSync(at.keyFile).size, length)
  })
}

t.test('a folder in the place of the key is refused', async t => {
  const at = place(t)
  mkdirSync(at.keyFile, { mode: 0o700 })
  t.throws(() => openStore(at), { code: 'key-damaged' })
})

t.test('a store whose key is gone is refused, and no new key is made', async t => {
  const at = place(t)
  openStore(at).close()
  rmSync(at.keyFile)
  t.throws(() => openStore(at), { code: 'key-missing', hint: /Put the key back/ })
  t.notOk(existsSync(at.keyFile))
})

t.test('another store’s key is refused', async t => {
  const at = place(t)
  openStore(at).close()
  writeFileSync(at.keyFile, Buffer.alloc(32, 7), { mode: 0o600 })
  t.throws(() => openStore(at), { code: 'key-wrong', hint: /Put back the key/ })
})

t.test('config values that were swapped in the file do not open', async t => {
  const at = place(t)
  const { apps, config } = store(t, { at })
  apps.add(shop)
  config.change(shop, { set: { PASSWORD: 'secret', GREETING: 'hello' } })
  const db = new Database(at.file)
  t.teardown(() => db.close())
  db.exec(
    `UPDATE config SET value = (SELECT value FROM config WHERE key = 'PASSWORD') WHERE key = 'GREETING'`,
  )
  t.throws(() => config.list(shop), { code: 'seal-broken' })
})
