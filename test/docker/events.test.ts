import t from 'tap'

import { openEngine } from '../../src/docker/dockerode.ts'
import type { EngineEvent } from '../../src/docker/engine.ts'
import { eventually, relay, tiny } from './tiny.ts'

const { engine, instance, container, run } = await tiny(t)

t.test('events since the call tell name, labels and exit code', async t => {
  const controller = new AbortController()
  const events = engine.events({ labels: { 'com.davit.app': 'shop' }, signal: controller.signal })
  const other = await run(['true'], { labels: { 'com.davit.app': 'other' } })
  const name = await run(['sh', '-c', 'exit 6'], { labels: { 'com.davit.app': 'shop' } })
  const seen: EngineEvent[] = []
  for await (const event of events) {
    seen.push(event)
    if (event.kind === 'container' && event.action === 'die') break
  }
  controller.abort()
  t.strictSame(
    seen.map(event => event.kind === 'container' && event.action),
    ['create', 'start', 'die'],
  )
  t.match(seen.at(-1), {
    name,
    exitCode: 6,
    labels: { 'com.davit.app': 'shop', 'com.davit.instance': instance },
  })
  t.notOk(seen.some(event => event.kind === 'container' && event.name === other))
})

t.test('after a cut the events go on, told by a word, none twice and none lost', async t => {
  const way = await relay(t)
  const far = await openEngine({ socketPath: way.path, instance })
  const controller = new AbortController()
  const iterable = far.events({ labels: {}, signal: controller.signal })
  const events = iterable[Symbol.asyncIterator]()
  const first = container(['sleep', '60'])
  await engine.create(first)
  await eventually(events, event => event.kind === 'container' && event.name === first.name)
  const next = events.next()
  await way.close()
  const second = container(['sleep', '60'])
  await engine.create(second)
  await way.listen()
  t.strictSame((await next).value, { kind: 'reconnected' })
  t.match((await events.next()).value, { kind: 'container', action: 'create', name: second.name })
  await engine.start(second.name)
  t.match((await events.next()).value, { action: 'start', name: second.name })
  const end = events.next()
  controller.abort()
  t.strictSame(await end, { value: undefined, done: true })
})

t.test('the signal ends the events also while the engine is away', async t => {
  const way = await relay(t)
  const far = await openEngine({ socketPath: way.path, instance })
  await way.close()
  const controller = new AbortController()
  const end = far.events({ labels: {}, signal: controller.signal })[Symbol.asyncIterator]().next()
  setImmediate(() => controller.abort())
  t.strictSame(await end, { value: undefined, done: true })
})
