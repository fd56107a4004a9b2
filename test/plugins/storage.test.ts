import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { type Test, t } from 'tap'

import { createDriver } from '../../src/plugin/driver.ts'
import type { ContainerSpec } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'
import { calling, shop } from '../core/workshop.ts'
import { loaded } from './loaded.ts'

async function withStorage(t: Test) {
  const all = desk(t, [], { plugins: await loaded(t, ['storage']) })
  await all.say('apps:create shop')
  const hooks = createDriver(all.rooms.roster.members)
  const app = all.rooms.store.apps.find(shop)!
  const spec: ContainerSpec = {
    ...{ image: 'x', command: [], env: {}, mounts: { '/other': { source: 'cache' } }, labels: {} },
    ...{ pidLimit: 1, stopTimeout: 1 },
  }
  const event = { app, process: 'web' } as Parameters<typeof hooks.shapeContainer>[1]
  const folder = join(all.rooms.settings.data, 'storage')
  return { ...all, folder, mounts: async () => (await hooks.shapeContainer(spec, event, calling())).mounts }
}

t.test('a storage or a folder of the host is mounted, by its name or by where playbooks have it', async t => {
  const { say, folder, mounts } = await withStorage(t)
  await say('storage:create a')
  await say('storage:ensure-directory b')
  t.match(await say('storage:create a'), { code: 1, stderr: /There is a storage a already/ })
  t.equal((await say('storage:list')).stdout, 'a\nb\n')
  await say('storage:mount shop a:/a')
  await say('storage:mount shop /var/lib/dokku/data/storage/b:/b:ro')
  await say('storage:mount shop /data/host:/host')
  t.strictSame(await mounts(), {
    '/other': { source: 'cache' },
    '/a': { source: join(folder, 'a') },
    '/b': { source: join(folder, 'b'), readOnly: true },
    '/host': { source: '/data/host' },
  })
  t.match((await say('storage:list shop')).stdout, /^ {7}\/data\/host:\/host$/m)
  t.match(JSON.parse((await say('storage:list shop --format json')).stdout)[1], {
    ...{ host_path: join(folder, 'b'), container_path: '/b', volume_options: 'ro' },
  })
  t.match((await say('storage:report shop')).stdout, /deploy mounts: +-v .*\/b:\/b:ro/)
  t.match(await say('storage:unmount shop b:/b'), { code: 0 })
  t.match(await say('storage:unmount shop b:/b'), { code: 1, stderr: /does not exist/ })
  t.notOk('/b' in (await mounts()))
})

t.test('what is belongs to the host is for no app', async t => {
  const { say, folder } = await withStorage(t)
  await say('storage:create a')
  mkdirSync(join(folder, 'a/inside'))
  const refused = [
    ...['/:/x', '/etc:/x', '/var/run/docker.sock:/x', '/root/.ssh:/x', '/data/../etc:/x', 'none:/x', 'a:x'],
    ...['a:/x:z', 'a:/x/../y', 'a', `${folder}/a/inside:/x`, '/var/lib/dokku/data/storage/../../x:/x'],
  ]
  for (const mount of refused) t.match(await say(`storage:mount shop ${mount}`), { code: 1 }, mount)
  await say('storage:mount shop a:/x')
  t.match(await say('storage:mount shop a:/x'), { code: 1, stderr: /already in use/ })
  t.match(await say('storage:list-entries a ../..'), { code: 1, stderr: /leads out/ })
  t.match(await say('storage:create a/b'), { code: 1 })
  t.match(await say('storage:ensure-directory c --chown ann'), {
    code: 1,
    stderr: /Unsupported chown permissions: ann/,
  })
})
