import { UserError } from '../errors.ts'
import type { AppName } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Domains } from './store.ts'

export function openDomains({ prepare, transaction, findApp, getApp }: Ground): Domains {
  const of = prepare<[number | null], { hostname: string }>(
    'SELECT hostname FROM domains WHERE app = ? ORDER BY id',
  )
  const findOwner = prepare<[string], { name: AppName }>(
    'SELECT name FROM domains JOIN apps ON apps.id = app WHERE hostname = ?',
  )
  const add = prepare<[number, string]>('INSERT INTO domains (app, hostname) VALUES (?, ?)')
  const remove = prepare<[number | null, string]>('DELETE FROM domains WHERE app = ? AND hostname = ?')
  const global = prepare<[], { hostname: string }>('SELECT hostname FROM global_domains ORDER BY id')
  const clearGlobal = prepare<[]>('DELETE FROM global_domains')
  const addGlobal = prepare<[string]>(
    'INSERT INTO global_domains (hostname) VALUES (?) ON CONFLICT (hostname) DO NOTHING',
  )
  const owner = (hostname: string) => findOwner.get(hostname)?.name

  return {
    of: app => of.all(findApp(app)).map(row => row.hostname),
    owner,
    add: (app, hostname) =>
      transaction(() => {
        const id = getApp(app)
        const taken = owner(hostname)
        if (taken === app) return false
        if (taken) throw domainTaken(hostname, taken)
        add.run(id, hostname)
        return true
      }),
    remove: (app, hostname) => remove.run(findApp(app), hostname).changes > 0,
    global: () => global.all().map(row => row.hostname),
    setGlobal: hostnames =>
      transaction(() => {
        clearGlobal.run()
        for (const hostname of hostnames) addGlobal.run(hostname)
      }),
  }
}

function domainTaken(hostname: string, owner: string): UserError {
  return new UserError(
    'domain-taken',
    `${hostname} belongs to ${owner}.`,
    `Free it with: domains:remove ${owner} ${hostname}`,
  )
}
