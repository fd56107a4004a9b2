import { t } from 'tap'

import { createDriver } from '../../src/plugin/driver.ts'
import { mapModules } from '../../src/plugin/load.ts'
import type { ContainerSpec } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'
import { calling, shop } from '../core/workshop.ts'
import { loaded } from './loaded.ts'

mapModules()
const { built, shaped } = await import('../../plugins/docker-options/options.ts')
const { shapedBy } = await import('../../plugins/resource/amounts.ts')

const spec: ContainerSpec = {
  ...{ image: 'x', command: [], env: { A: '1' }, mounts: {}, labels: {} },
  ...{ pidLimit: 1024, stopTimeout: 30 },
}

t.test("the engine's options become part of a container's spec, beside what is there", t => {
  const of = (line: string) => changes(shaped(spec, line))
  t.strictSame(of('--memory 512m --memory-swap=1g'), { memoryBytes: 2 ** 29, memorySwapBytes: 2 ** 30 })
  t.strictSame(of('-v /data/a:/a:ro --volume=cache:/b'), {
    mounts: { '/a': { source: '/data/a', readOnly: true }, '/b': { source: 'cache' } },
  })
  t.strictSame(of('--mount type=bind,source=/data/a,target=/a,readonly'), {
    mounts: { '/a': { source: '/data/a', readOnly: true } },
  })
  t.strictSame(of(`-e "B=two words" --env C='3'`), { env: { A: '1', B: 'two words', C: '3' } })
  t.strictSame(of('--ulimit nofile=1024:2048 --ulimit core=0'), {
    ulimits: { nofile: { soft: 1024, hard: 2048 }, core: { soft: 0, hard: 0 } },
  })
  t.strictSame(of('--add-host db:10.1.2.3 --dns 10.0.0.1 --tmpfs /run:size=64m'), {
    ...{ hosts: { db: '10.1.2.3' }, dns: { '10.0.0.1': true }, tmpfs: { '/run': 'size=64m' } },
  })
  t.strictSame(of('--read-only --init -u 1000:1000 --shm-size 1g --cpus 1.5 --pids-limit 10'), {
    ...{ readOnly: true, user: '1000:1000', shmBytes: 2 ** 30, cpus: 1.5, pidLimit: 10 },
  })
  t.end()
})

t.test('what would give an app the host is refused, and what has a place of its own is named', t => {
  const refused: Record<string, RegExp> = {
    '--privileged': /no option that an app may have/,
    '--cap-add SYS_ADMIN': /no option that an app may have/,
    '--device /dev/sda': /no option that an app may have/,
    '--pid host': /no option that an app may have/,
    '--security-opt apparmor=unconfined': /no option that an app may have/,
    '-v /:/host': /host's own/,
    '-v /var/run/docker.sock:/s': /host's own/,
    '-v /data/../etc:/e': /no path of the host/,
    '--mount type=bind,src=/proc,dst=/p': /host's own/,
    '--mount type=tmpfs,dst=/p': /type tmpfs is not known/,
    '-p 80:80': /--publish cannot be set here/,
    '--network host': /--network cannot be set here/,
    '--link db': /--link cannot be set here/,
    '--label com.davit.app=x': /no label for people/,
    '--memory lots': /no amount of memory/,
    '--memory': /needs a value/,
    '--env B': /has no value/,
    nonsense: /no option/,
  }
  for (const [line, message] of Object.entries(refused))
    t.throws(() => shaped(spec, line), { name: 'UserError', message }, line)
  t.match(built({ name: 'x', dockerfile: '' }, '--build-arg A=1 --target web'), {
    ...{ buildArgs: { A: '1' }, target: 'web' },
  })
  t.throws(() => built({ name: 'x', dockerfile: '' }, '--memory 1g'), { message: /no option of a build/ })
  t.end()
})

t.test('docker-options adds, lists, takes away, and shapes builds and containers', async t => {
  const { say, rooms } = desk(t, [], { plugins: await loaded(t, ['docker-options']) })
  const hooks = createDriver(rooms.roster.members)
  await say('apps:create shop')
  t.match(await say('docker-options:add shop deploy,run --ulimit nofile=1024'), { code: 0, stderr: '' })
  t.match(await say('docker-options:add shop deploy "-v /data/shop:/data"'), { code: 0 })
  t.match(await say('docker-options:add shop deploy "-v /data/shop:/data"'), { code: 0 }, 'once is enough')
  await say('docker-options:add shop build --build-arg A=1')
  t.match(await say('docker-options:add shop deploy --privileged'), { code: 1, stderr: /--privileged/ })
  t.equal(
    (await say('docker-options:list shop')).stdout,
    'build: --build-arg A=1\ndeploy: --ulimit nofile=1024\ndeploy: -v /data/shop:/data\nrun: --ulimit nofile=1024\n',
  )
  t.match((await say('docker-options:report shop')).stdout, /options deploy: +--ulimit nofile=1024 -v/)
  const app = rooms.store.apps.find(shop)!
  const shape = (process: string) =>
    hooks.shapeContainer(spec, { app, process } as Parameters<typeof hooks.shapeContainer>[1], calling())
  t.match(await shape('web'), {
    mounts: { '/data': { source: '/data/shop' } },
    ulimits: { nofile: { soft: 1024 } },
  })
  t.strictSame((await shape('run')).mounts, {})
  const source = {} as Parameters<typeof hooks.shapeBuild>[1]['source']
  const build = { name: 'x', dockerfile: '', buildArgs: { B: '2' } }
  t.match(await hooks.shapeBuild(build, { app, source }, calling()), { buildArgs: { A: '1', B: '2' } })
  await say('docker-options:remove shop deploy -v /data/shop:/data')
  await say('docker-options:clear shop run')
  t.equal((await say('docker-options:list shop --phase deploy')).stdout, 'deploy: --ulimit nofile=1024\n')
  t.strictSame(await shape('run'), spec)
})

t.test('resources are limited and reserved, for a process or for all', async t => {
  const { say, rooms } = desk(t, [], { plugins: await loaded(t, ['resource']) })
  const hooks = createDriver(rooms.roster.members)
  await say('apps:create shop')
  t.match(await say('resource:limit --memory 512 --cpu 0.5 shop'), { code: 0, stdout: /memory: 512/ })
  await say('resource:limit shop --process-type worker --memory 2g')
  await say('resource:reserve shop --memory 128m --cpu 2')
  const app = rooms.store.apps.find(shop)!
  const shape = (process: string) =>
    hooks.shapeContainer(spec, { app, process } as Parameters<typeof hooks.shapeContainer>[1], calling())
  const reserved = { memoryReservationBytes: 2 ** 27, cpuShares: 2048 }
  t.strictSame(await shape('web'), { ...spec, cpus: 0.5, memoryBytes: 2 ** 29, ...reserved })
  t.match(await shape('worker'), { cpus: 0.5, memoryBytes: 2 ** 31 })
  t.match((await say('resource:limit shop')).stdout, /^ {7}memory: +512$/m)
  t.match((await say('resource:report shop')).stdout, /worker\.limit\.memory: +2g/)
  await say('resource:limit shop --memory clear')
  await say('resource:limit-clear shop --process-type worker')
  t.strictSame(await shape('worker'), { ...spec, cpus: 0.5, ...reserved })
  await say('resource:limit-clear shop')
  await say('resource:reserve-clear shop')
  t.strictSame(await shape('worker'), spec)
  for (const bad of [
    '--memory lots',
    '--memory 1m',
    '--cpu 0',
    '--cpu x',
    '--memory -1',
    '--process-type a/b --cpu 1',
  ])
    t.match(await say(`resource:limit shop ${bad}`), { code: 1 }, bad)
})

t.test('swap is bounded along with memory, and never below it', t => {
  const of = (set: Record<string, string>) => shapedBy((kind, resource) => set[`${kind} ${resource}`])
  t.strictSame(of({ 'limit memory-swap': '1g' }), {})
  t.match(of({ 'limit memory': '1g', 'limit memory-swap': '512m' }), { memorySwapBytes: 2 ** 30 })
  t.match(of({ 'limit memory': '1g', 'limit memory-swap': '-1' }), { memorySwapBytes: -1 })
  t.end()
})

/** What a spec has that the plain one has not. */
function changes(now: ContainerSpec): Partial<ContainerSpec> {
  const own = Object.entries(now).filter(([key, value]) => value !== spec[key as keyof ContainerSpec])
  return Object.fromEntries(own)
}
