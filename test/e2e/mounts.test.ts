import t from 'tap'
import { pack } from 'tar-stream'

import { sandbox } from './sandbox.ts'

const source = `
  import { writeFileSync } from 'node:fs'
  import { join } from 'node:path'
  import { definePlugin } from 'davit/plugin'
  export default definePlugin({
    name: 'answers', about: 'Answers paths of apps', api: 1,
    mounts: [
      { path: '/hook', handle: ({ app, path }) => ({ status: 200, body: app + ' ' + path }) },
      { path: '/files', files: '.', open: true },
    ],
    start: ({ core }) => writeFileSync(join(core.served(), 'token'), 'abc', { mode: 0o644 }),
  })`

t.test('a plugin that is installed answers paths of apps at once, and none when it is gone', async t => {
  const box = await sandbox(t)
  await box.ssh('apps:create shop')
  t.equal((await box.get('shop.localhost', '/hook')).status, 503)
  const tar = pack()
  tar.entry({ name: 'index.ts' }, source)
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  const input = Buffer.concat(chunks)
  t.match(await box.ssh('plugin:install - --name answers', { input }), { code: 0 })
  const until = async (path: string, status: number) => {
    for (let tries = 0; tries < 100; tries++) {
      const answer = await box.get('shop.localhost', path)
      if (answer.status === status) return answer
    }
    return undefined
  }
  t.match(await until('/hook/x?y', 200), { body: 'shop /hook/x?y' })
  t.match(await box.get('shop.localhost', '/files/token'), { status: 200, body: 'abc' })
  t.match(await box.ssh('-- --force plugin:uninstall answers'), { code: 0 })
  t.ok(await until('/hook/x', 503), 'as the app itself answers')
})
