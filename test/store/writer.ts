import { once } from 'node:events'
import { writeSync } from 'node:fs'

import { openStore } from '../../src/store/open.ts'
import type { AppName } from '../../src/types.ts'

// Run as: writer.ts FILE KEYFILE NAME COUNT. Says `ready`, waits for a word, then says each number it has kept.
const [file, keyFile, name, count] = process.argv.slice(2) as [string, string, string, string]
const say = (line: string) => writeSync(1, `${line}\n`)

say('ready')
await once(process.stdin, 'data')
const store = openStore({ file, keyFile })
if (!store.apps.find('shop'))
  store.transaction(() => store.apps.find('shop') ?? store.apps.add('shop' as AppName))

for (let at = 0; at < Number(count); at++) {
  const release = store.transaction(() => {
    store.kv.set(name, String(at), { padding: 'x'.repeat(500), at })
    return store.releases.add('shop' as AppName, {
      image: 'sha256:1234',
      revision: undefined,
      procfile: {},
      port: 5000,
      config: { FROM: name },
      by: name,
      why: 'push',
    })
  })
  say(String(release.number))
}
store.close()
process.exit()
