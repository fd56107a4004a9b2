import { t } from 'tap'

import { planRollout, type Wanted } from '../../src/deploy/plan.ts'
import { formationOf, hashOf, type ProcessSpec } from '../../src/deploy/spec.ts'
import type { Container } from '../../src/types.ts'
import { shop } from '../core/workshop.ts'
import { spec } from '../store/fixture.ts'

t.test('the first rollout starts everything', async t => {
  t.strictSame(plan({ formation: { web: 2, worker: 1 } }), {
    keep: [],
    start: ['web.1', 'web.2', 'worker.1'],
    retire: [],
  })
})

t.test('a rollout that changes nothing does nothing', async t => {
  t.strictSame(plan({ formation: { web: 1, worker: 1 }, current: [of('web', 1), of('worker', 1)] }), {
    keep: ['web.1', 'worker.1'],
    start: [],
    retire: [],
  })
})

t.test('scaling up starts what is missing', async t => {
  t.strictSame(plan({ formation: { web: 3 }, current: [of('web', 1)] }), {
    keep: ['web.1'],
    start: ['web.2', 'web.3'],
    retire: [],
  })
})

t.test('scaling down takes the highest ones away', async t => {
  t.strictSame(plan({ formation: { web: 1 }, current: [of('web', 1), of('web', 2), of('web', 3)] }), {
    keep: ['web.1'],
    start: [],
    retire: ['web.2', 'web.3'],
  })
})

t.test('scaling to none takes all away', async t => {
  t.strictSame(plan({ formation: { web: 0 }, current: [of('web', 1)] }), {
    keep: [],
    start: [],
    retire: ['web.1'],
  })
})

t.test('a container in the middle that is gone is started again at its place', async t => {
  t.strictSame(plan({ formation: { web: 3 }, current: [of('web', 1), of('web', 3)] }), {
    keep: ['web.1', 'web.3'],
    start: ['web.2'],
    retire: [],
  })
})

t.test('a changed spec replaces the containers of its process and of no other', async t => {
  t.strictSame(
    plan({
      formation: { web: 2, worker: 1 },
      specs: [process('web', 'new'), process('worker', 'same')],
      current: [of('web', 1, 'old'), of('web', 2, 'old'), of('worker', 1, 'same')],
    }),
    { keep: ['worker.1'], start: ['web.1', 'web.2'], retire: ['web.1', 'web.2'] },
  )
})

t.test('a restart of one process replaces its containers though nothing changed', async t => {
  t.strictSame(
    plan({
      formation: { web: 2, worker: 1 },
      current: [of('web', 1), of('web', 2), of('worker', 1)],
      fresh: each => each.process === 'web',
    }),
    { keep: ['worker.1'], start: ['web.1', 'web.2'], retire: ['web.1', 'web.2'] },
  )
})

t.test('a process that is in the Procfile no longer goes', async t => {
  t.strictSame(plan({ formation: { web: 1 }, current: [of('web', 1), of('old', 1)] }), {
    keep: ['web.1'],
    start: [],
    retire: ['old.1'],
  })
})

t.test('one web runs unless told otherwise, and none of the others; release never', async t => {
  const procfile = { worker: 'w', release: 'r', clock: 'c', web: 'x' }
  t.strictSame(formationOf(procfile, {}), { web: 1, clock: 0, worker: 0 })
  t.strictSame(Object.keys(formationOf(procfile, {})), ['web', 'clock', 'worker'])
  t.strictSame(formationOf(procfile, { web: 0, worker: 2, release: 1, gone: 5 }), {
    web: 0,
    clock: 0,
    worker: 2,
  })
  t.strictSame(formationOf({ worker: 'w' }, {}), { worker: 0 })
})

t.test('a process may have a name that every object knows', async t => {
  t.strictSame(formationOf({ constructor: 'c', toString: 's' }, {}), { constructor: 0, toString: 0 })
})

t.test("a spec's hash is of what it says, not of the order it says it in", async t => {
  const one = { ...spec, env: { A: '1', B: '2' }, mounts: { '/a': { source: 'x' }, '/b': { source: 'y' } } }
  const other = Object.fromEntries(
    Object.entries({
      ...one,
      env: { B: '2', A: '1' },
      mounts: { '/b': { source: 'y' }, '/a': { source: 'x' } },
    }).toReversed(),
  ) as unknown as typeof one
  t.equal(hashOf(one), hashOf(other))
  t.match(hashOf(one), /^[0-9a-f]{16}$/)
})

t.test('whatever decides how a container runs is in the hash', async t => {
  const changes = [
    {},
    { image: 'sha256:other' },
    { command: ['/bin/sh', '-c', 'other'] },
    { command: spec.command.toReversed() },
    { env: { ...spec.env, A: '' } },
    { env: {} },
    { mounts: { '/a': { source: 'x' } } },
    { mounts: { '/a': { source: 'x', readOnly: true } } },
    { labels: { a: 'b' } },
    { memoryBytes: 1 },
    { cpus: 1 },
    { pidLimit: 1 },
    { stopTimeout: 1 },
  ]
  const hashes = changes.map(change => hashOf({ ...spec, ...change }))
  t.equal(new Set(hashes).size, changes.length)
})

t.test('a value that is not there is the same as one that is undefined', async t => {
  t.equal(hashOf({ ...spec, cpus: undefined } as unknown as typeof spec), hashOf(spec))
})

function plan({ formation, specs, current = [], fresh = () => false }: Partial<Wanted>) {
  const wanted = specs ?? Object.keys(formation!).map(each => process(each, 'same'))
  const { keep, start, retire } = planRollout({ formation: formation!, specs: wanted, current, fresh })
  const name = (each: Container) => `${each.process}.${each.index}`
  return {
    keep: keep.map(name),
    start: start.map(each => `${each.process.process}.${each.index}`),
    retire: retire.map(name),
  }
}

function process(name: string, hash: string): ProcessSpec {
  return { process: name, hash, spec }
}

function of(process: string, index: number, hash = 'same'): Container {
  return {
    id: index,
    app: shop,
    process,
    index,
    release: 1,
    name: `test-shop.${process}.${index}.abcd`,
    address: '10.0.0.2',
    port: 5000,
    spec: hash,
    state: 'wanted',
  }
}
