import { readdirSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'

import { messageOf } from './errors.ts'
import type { Logger } from './log.ts'
import { readHostname } from './plugin/names.ts'
import type { Settings } from './settings.ts'
import { readKey } from './ssh/identity.ts'
import type { Store } from './store/store.ts'

/** What the settings say for a first start only: the domain, and in a checkout the developer's own keys. Never again after it. */
export function firstStart(settings: Settings, store: Store, log: Logger): void {
  if (store.properties.get('davit', undefined, 'started') === 'true') return
  store.transaction(() => {
    if (settings.domain && store.domains.global().length === 0)
      store.domains.setGlobal([readHostname(settings.domain)])
    if (settings.dev) letOwnKeysIn(settings, store, log)
    store.properties.set('davit', undefined, 'started', 'true')
  })
}

function letOwnKeysIn({ home }: Settings, store: Store, log: Logger): void {
  const person = userInfo().username
  for (const file of publicKeys(join(home, '.ssh'))) {
    try {
      const { fingerprint, type, blob } = readKey(readFileSync(file, 'utf8'))
      if (store.keys.find(fingerprint)) continue
      store.keys.add({ name: nameFor(person, store), person, role: 'admin', fingerprint, type, blob })
      log.info(`${file} may come in`)
    } catch (error) {
      log.warn(`${file} is left out: ${messageOf(error)}`)
    }
  }
}

function publicKeys(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(name => /^id_.*\.pub$/.test(name))
      .map(name => join(folder, name))
      .sort()
  } catch {
    return [] // No ~/.ssh, no keys; the log says how to add one.
  }
}

function nameFor(person: string, store: Store): string {
  const taken = store.keys.list().map(each => each.name)
  return [person, ...taken.map((_, at) => `${person}-${at + 2}`)].find(each => !taken.includes(each))!
}
