import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

import Database from 'better-sqlite3'

import { appMissing, UserError, unlessDiskFull } from '../errors.ts'
import { openSeal, type Seal } from '../seal.ts'
import { openApps } from './apps.ts'
import { openAttempts } from './attempts.ts'
import { openAudit } from './audit.ts'
import { openCertificates } from './certificates.ts'
import { openConfig } from './config.ts'
import { openContainers } from './containers.ts'
import { openDependencies } from './dependencies.ts'
import { openDomains } from './domains.ts'
import { openFormation } from './formation.ts'
import type { Ground, Statement } from './ground.ts'
import { openJobs } from './jobs.ts'
import { openKeys } from './keys.ts'
import { openKv } from './kv.ts'
import { migrate } from './migrate.ts'
import { openNetworks } from './networks.ts'
import { openPlugins } from './plugins.ts'
import { openProperties } from './properties.ts'
import { openReleases } from './releases.ts'
import { openServices } from './services.ts'
import { openSteps } from './steps.ts'
import type { Store } from './store.ts'

export interface StoreOptions {
  readonly file: string
  /** Opens what is sealed; made at the first start. */
  readonly keyFile: string
  readonly now?: () => Date
}

/**
 * Makes the file when there is none and brings an older one up to date.
 * UserError `store-newer`, `store-damaged`, `store-unsafe`, `key-loose`, `key-damaged`, `key-missing`, `key-wrong`.
 */
export function openStore({ file, keyFile, now = () => new Date() }: StoreOptions): Store {
  const db = openDatabase(file)
  try {
    const ground = layGround(db, { seal: fittingSeal(db, keyFile), now })
    return {
      apps: openApps(ground),
      keys: openKeys(ground),
      config: openConfig(ground),
      domains: openDomains(ground),
      certificates: openCertificates(ground),
      formation: openFormation(ground),
      properties: openProperties(ground),
      releases: openReleases(ground),
      networks: openNetworks(ground),
      containers: openContainers(ground),
      steps: openSteps(ground),
      attempts: openAttempts(ground),
      audit: openAudit(ground),
      kv: openKv(ground),
      jobs: openJobs(ground),
      plugins: openPlugins(ground),
      dependencies: openDependencies(ground),
      services: openServices(ground),
      transaction: ground.transaction,
      close: () => void db.close(),
    }
  } catch (error) {
    db.close()
    throw error
  }
}

const busyTimeout = 10_000

function openDatabase(file: string): Database.Database {
  keepPrivate(file)
  const db = new Database(file, { timeout: busyTimeout })
  try {
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('trusted_schema = OFF')
    // A migration may rebuild a table that others refer to, which is only possible while references are off.
    db.pragma('foreign_keys = OFF')
    migrate(db, file)
    db.pragma('foreign_keys = ON')
    assertSafe(db, file)
    return db
  } catch (error) {
    db.close()
    throw isDamage(error) ? damaged(file, error) : error
  }
}

/** SQLite gives its own `-wal` and `-shm` files the mode of the main one. */
function keepPrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  // By path: closing a descriptor of a database that is open would drop SQLite's locks on it.
  for (const part of [file, `${file}-wal`, `${file}-shm`]) if (existsSync(part)) chmodSync(part, 0o600)
}

const promises = { journal_mode: 'wal', synchronous: 2, foreign_keys: 1, busy_timeout: busyTimeout }

function assertSafe(db: Database.Database, file: string): void {
  for (const [name, wanted] of Object.entries(promises)) {
    const found = db.pragma(name, { simple: true })
    if (found === wanted) continue
    throw new UserError(
      'store-unsafe',
      `The store ${file} cannot be kept safely: ${name} is ${found}, not ${wanted}.`,
      'Keep it on a local disk.',
    )
  }
}

function isDamage(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^SQLITE_(NOTADB|CORRUPT)/.test(code)
}

function damaged(file: string, cause: unknown): UserError {
  return new UserError('store-damaged', `${file} is damaged, or no store.`, 'Restore it from a backup.', {
    cause,
  })
}

/** A sealed word in the store tells whether the key is the one that this store was sealed with. */
function fittingSeal(db: Database.Database, keyFile: string): Seal {
  const place = ['sealed_check']
  const check = db.prepare<[], Buffer>('SELECT value FROM sealed_check').pluck()
  const add = db.prepare<[Buffer]>('INSERT OR IGNORE INTO sealed_check (id, value) VALUES (1, ?)')
  const seal = openSeal(keyFile, { make: check.get() === undefined })
  add.run(seal.seal('fits', place))
  assertFits(() => seal.open(check.get()!, place), keyFile)
  return seal
}

function assertFits(open: () => unknown, keyFile: string): void {
  try {
    open()
  } catch (cause) {
    throw new UserError(
      'key-wrong',
      `${keyFile} is not the key that this store was sealed with.`,
      'Put back the key that belongs to the store.',
      { cause },
    )
  }
}

function layGround(db: Database.Database, { seal, now }: Pick<Ground, 'seal' | 'now'>): Ground {
  const id = db.prepare<[string], number>('SELECT id FROM apps WHERE name = ?').pluck()
  const together = db.transaction((work: () => unknown) => work())
  const findApp = (name: string) => id.get(name) ?? null
  const plainly = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw unlessDiskFull(error, "Davit's data", dirname(db.name))
    }
  }
  return {
    prepare<In extends unknown[], Row>(sql: string): Statement<In, Row> {
      const statement = db.prepare<In, Row>(sql)
      return {
        run: (...values) => plainly(() => statement.run(...values)),
        get: (...values) => plainly(() => statement.get(...values)),
        all: (...values) => plainly(() => statement.all(...values)),
        iterate: (...values) => statement.iterate(...values),
      }
    },
    transaction: <T>(work: () => T) => plainly(() => together.immediate(work) as T),
    findApp,
    getApp(name) {
      const found = findApp(name)
      if (found === null) throw appMissing(name)
      return found
    },
    seal,
    now,
  }
}
