import { tmpdir } from 'node:os'
import { join } from 'node:path'
import util from 'node:util'

import t from 'tap'

import { type Api, EngineError } from '../../src/docker/api.ts'
import { setRestart } from '../../src/docker/containers.ts'
import { openEngine } from '../../src/docker/dockerode.ts'
import { eventually, never, relay, tiny } from './tiny.ts'

const { engine, instance, image, network, subnet, address, container, run } = await tiny(t)

t.test('a container has its fixed address, its limits, and few powers', async t => {
  const folder = t.testdir({ note: 'mounted\n' })
  const made = container(
    [
      'sh',
      '-c',
      'cat /proc/self/status; cat /etc/hostname /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; cat /proc/1/cmdline /mnt/it/note; echo "$WORD"; (echo x > /mnt/it/new) 2>/dev/null || echo read-only; exit 3',
    ],
    { hostname: 'crane', labels: { 'com.davit.app': 'shop' } },
    {
      env: { WORD: 'a=b c' },
      mounts: { '/mnt/it': { source: folder, readOnly: true } },
      memoryBytes: 64 * 1024 * 1024,
      cpus: 0.5,
      labels: { more: 'yes' },
    },
  )
  const id = await engine.create(made)
  t.match(await engine.inspect(made.name), { id, state: 'created', exitCode: null, startedAt: undefined })
  await engine.start(made.name)
  t.equal(await engine.wait(made.name, { signal: never }), 3)
  const said: string[] = []
  for await (const { text } of engine.logs(made.name, { signal: never })) said.push(text)
  const text = said.join('\n')
  // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10: capabilities(7).
  t.match(text, /CapBnd:\t00000000000004eb/)
  t.match(text, /NoNewPrivs:\t1/)
  t.match(text, /\ncrane\n64\n/)
  t.match(text, /init/)
  t.match(text, /mounted\na=b c\nread-only/)
  t.match(await engine.inspect(made.name), {
    id,
    name: made.name,
    state: 'exited',
    exitCode: 3,
    outOfMemory: false,
    restarts: 0,
    addresses: { [network]: made.address },
    labels: { 'com.davit.app': 'shop', 'com.davit.instance': instance, more: 'yes' },
    startedAt: Date,
  })
  t.match(await engine.containers({ 'com.davit.app': 'shop' }), [{ name: made.name }])
  t.strictSame(await engine.containers({ 'com.davit.app': 'other' }), [])
})

t.test('a container gets what its spec says beyond the usual', async t => {
  const script =
    'ulimit -n; ulimit -Hn; cat /etc/hosts /etc/resolv.conf; id -u; pwd; df -k /dev/shm /scratch; (echo x > /x) 2>/dev/null || echo read-only'
  const made = container(
    ['sh', '-c', script],
    {},
    {
      ...{ memoryBytes: 2 ** 26, memorySwapBytes: 2 ** 27, memoryReservationBytes: 2 ** 25, cpuShares: 512 },
      ulimits: { nofile: { soft: 321, hard: 654 } },
      ...{ hosts: { 'db.test': '192.0.2.7' }, dns: { '192.0.2.53': true }, tmpfs: { '/scratch': 'size=3m' } },
      ...{ shmBytes: 2 ** 21, user: '1234:1234', workdir: '/scratch', readOnly: true },
    },
  )
  await engine.create(made)
  await engine.start(made.name)
  t.equal(await engine.wait(made.name, { signal: never }), 0)
  const said: string[] = []
  for await (const { text } of engine.logs(made.name, { signal: never })) said.push(text)
  const text = said.join('\n')
  t.match(text, /^321\n654\n/)
  t.match(text, /^192\.0\.2\.7\s+db\.test$/m)
  t.match(text, /^1234\n\/scratch\n/m)
  t.match(text, /\s2048\s.*\/dev\/shm$/m)
  t.match(text, /\s3072\s.*\/scratch$/m)
  t.match(text, /^read-only$/m)
})

t.test('a file of a container comes out as a tar, and one that is not there is told', async t => {
  const name = await run(['sh', '-c', 'echo inside > /note'])
  await engine.wait(name, { signal: never })
  const chunks: Buffer[] = []
  for await (const chunk of await engine.copyOut(name, '/note', { signal: never }))
    chunks.push(chunk as Buffer)
  t.match(Buffer.concat(chunks).toString('latin1'), /^note\0[\s\S]*inside\n/)
  await t.rejects(engine.copyOut(name, '/none', { signal: never }), { code: 'no-file' })
  await t.rejects(engine.copyOut('none', '/note', { signal: never }), { code: 'no-file' })
})

t.test('a request is put into words for nobody', async t => {
  const words = t.capture(util, 'inspect', util.inspect)
  await engine.containers({})
  t.strictSame(words.args(), [])
})

t.test('an address in use is told at the start', async t => {
  const first = await run(['sleep', '60'])
  const taken = (await engine.inspect(first))!.addresses[network]!
  const second = container(['sleep', '60'], { address: taken })
  await engine.create(second)
  await t.rejects(engine.start(second.name), { name: 'UserError', code: 'address-taken' })
  await engine.remove(first)
  await engine.start(second.name)
  t.match(await engine.inspect(second.name), { state: 'running', addresses: { [network]: taken } })
})

t.test('what cannot be found or started is told in a sentence', async t => {
  await t.rejects(engine.create(container(['true'], {}, { image: `davit-test/${instance}:none` })), {
    code: 'image-missing',
  })
  const mounts = { '/mnt': { source: join(t.testdir(), 'nowhere') } }
  await t.rejects(engine.create(container(['true'], {}, { mounts })), { code: 'mount-missing' })
  const unknown = container(['no-such-program'])
  await engine.create(unknown)
  await engine.start(unknown.name)
  t.equal(await engine.wait(unknown.name, { signal: never }), 127)
})

t.test('gone is fine where nothing was to be there afterwards', async t => {
  const gone = `${instance}-gone`
  await engine.stop(gone, { seconds: 1 })
  await engine.kill(gone, { signal: 'TERM' })
  await engine.remove(gone)
  await engine.setRestart(gone, false)
  await engine.removeNetwork(gone)
  t.equal(await engine.inspect(gone), undefined)
  t.equal(await engine.inspect('../images'), undefined)
  t.equal(await engine.inspect(''), undefined)
  t.equal(await engine.image(gone), undefined)
  t.equal(await engine.image('../containers/json'), undefined)
  t.equal(await engine.removeImage(gone), false)
})

t.test('two removals at once both end with it gone', async t => {
  const name = await run(['sleep', '60'])
  await Promise.all([engine.remove(name), engine.remove(name)])
  t.equal(await engine.inspect(name), undefined)
})

t.test('stopping asks first and kills after the given time', async t => {
  const controller = new AbortController()
  t.teardown(() => controller.abort())
  const events = engine.events({ labels: {}, signal: controller.signal })[Symbol.asyncIterator]()
  const deaf = await run(['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done'])
  for await (const { text } of engine.logs(deaf, { follow: true, signal: never })) if (text === 'ready') break
  const polite = await run(['sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'])
  for await (const { text } of engine.logs(polite, { follow: true, signal: never }))
    if (text === 'ready') break
  await engine.stop(polite, { seconds: 30 })
  const of = (name: string, action: string) =>
    eventually(events, event => event.kind === 'container' && event.name === name && event.action === action)
  t.match(await of(polite, 'die'), { exitCode: 7 })
  await engine.stop(polite, { seconds: 30 })
  await engine.stop(deaf, { seconds: 1 })
  await of(deaf, 'kill')
  await of(deaf, 'kill')
  t.match(await of(deaf, 'die'), { exitCode: 137 })
})

t.test('the engine restarts on failure what is to be restarted, until told otherwise', async t => {
  const controller = new AbortController()
  t.teardown(() => controller.abort())
  const events = engine.events({ labels: {}, signal: controller.signal })[Symbol.asyncIterator]()
  const name = await run(['sh', '-c', 'exit 1'], { restart: true })
  for (const action of ['start', 'die', 'start', 'die']) {
    await eventually(
      events,
      event => event.kind === 'container' && event.name === name && event.action === action,
    )
  }
  await engine.setRestart(name, false)
  await engine.wait(name, { signal: never })
  t.ok((await engine.inspect(name))!.restarts >= 1)
})

t.test('a container is renamed and killed', async t => {
  const name = await run(['sleep', '60'])
  await engine.rename(name, `${name}-b`)
  t.equal(await engine.inspect(name), undefined)
  await engine.kill(`${name}-b`, { signal: 'KILL' })
  t.equal(await engine.wait(`${name}-b`, { signal: never }), 137)
})

t.test('a wait ends when it is cancelled', async t => {
  const controller = new AbortController()
  const waiting = engine.wait(await run(['sleep', '60']), { signal: controller.signal })
  setImmediate(() => controller.abort(new Error('enough')))
  await t.rejects(waiting, { message: 'enough' })
})

t.test('a network is made once, and never over another', async t => {
  const wanted = { name: network, subnet, gateway: address(1), labels: {} }
  await engine.ensureNetwork(wanted)
  const mine = (await engine.networks()).filter(({ name }) => name === network)
  t.match(mine, [{ name: network, subnets: [subnet], labels: { 'com.davit.instance': instance } }])
  t.ok((await engine.networks()).some(({ name, subnets }) => name === 'bridge' && subnets.length > 0))
  await t.rejects(engine.ensureNetwork({ ...wanted, name: `${instance}-over` }), {
    name: 'UserError',
    code: 'subnet-taken',
  })
  const elsewhere = { ...wanted, subnet: '10.215.255.0/28', gateway: '10.215.255.1' }
  await t.rejects(engine.ensureNetwork(elsewhere), { code: 'network-taken' })
})

t.test('a container joins another network at its address, whether it runs or not, and leaves it', async t => {
  const other = { name: `${instance}-other`, subnet: `${address(0).replace(/^10\.214/, '10.213')}/26` }
  const at = (host: number) => address(host).replace(/^10\.214/, '10.213')
  await engine.ensureNetwork({ ...other, gateway: at(1), labels: {} })
  for (const name of [await run(['sleep', '60']), await run(['true'])]) {
    await engine.connect(name, other.name, { aliases: ['other'], address: at(9) })
    t.match(await engine.inspect(name), { addresses: { [other.name]: at(9) } })
    await engine.disconnect(name, other.name)
    await engine.disconnect(name, other.name)
    t.notOk(Object.hasOwn((await engine.inspect(name))!.addresses, other.name))
  }
  const [one, two] = [await run(['sleep', '60']), await run(['sleep', '60'])]
  await engine.connect(one!, other.name, { aliases: [], address: at(9) })
  await t.rejects(engine.connect(two!, other.name, { aliases: [], address: at(9) }), {
    code: 'address-taken',
  })
  await t.rejects(engine.connect(one!, `${instance}-none`, { aliases: [] }), { code: 'network-missing' })
  await engine.disconnect('no-such-container', other.name)
})

t.test('an image tells its ports and command, gets a tag and loses it', async t => {
  const info = (await engine.image(image))!
  t.match(info, { tags: [image], ports: [443, 8080], command: ['sleep', '60'], entrypoint: [] })
  t.ok(info.bytes > 100_000)
  await engine.tag(info.id, `davit-test/${instance}:2`)
  t.match(await engine.images({}), [{ id: info.id }])
  t.equal(await engine.removeImage(`davit-test/${instance}:2`), true)
  await run(['sleep', '60'])
  t.equal(await engine.removeImage(image), false)
  t.ok(await engine.image(image))
})

t.test('an engine that does not answer is told with its address', async t => {
  const none = join(tmpdir(), `${instance}.sock`)
  await t.rejects(openEngine({ socketPath: none, instance }), {
    name: 'UserError',
    code: 'engine-away',
    message: `The container engine does not answer at ${none}.`,
  })
  const way = await relay(t)
  const far = await openEngine({ socketPath: way.path, instance })
  t.match(await far.ping(), { apiVersion: /^1\.\d+$/ })
  const waiting = far.wait(await run(['sleep', '60']), { signal: never })
  await way.close()
  await t.rejects(waiting, { code: 'engine-away' })
  await t.rejects(far.containers({}), { code: 'engine-away' })
  await t.rejects(far.ping(), { code: 'engine-away' })
  await way.listen()
  t.match(await far.ping(), { version: /./ })
})

t.test('a call that meets the engine going is made once more, if that does no harm', async t => {
  let cuts = 0
  const way = await relay(t, {
    head(text) {
      if (cuts-- > 0) way.cut()
      return text
    },
  })
  const far = await openEngine({ socketPath: way.path, instance })
  cuts = 1
  t.ok(await far.networks())
  cuts = 2
  await t.rejects(far.networks(), { code: 'engine-away' })
  cuts = 1
  const name = await run(['sleep', '60'])
  await far.stop(name, { seconds: 0 })
  t.match(await engine.inspect(name), { state: 'exited' })
})

t.test("a deadline of the caller's own keeps its name", async t => {
  const name = await run(['sleep', '60'])
  await t.rejects(engine.wait(name, { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
})

t.test('a container whose removal was cut off by the end of its engine is left to be removed', async t => {
  const api = {
    ask: async () => {
      throw new EngineError(500, 'Cannot update container 4d4f: container is marked for removal')
    },
  } as unknown as Api
  await t.resolves(setRestart(api, 'any', false))
})
