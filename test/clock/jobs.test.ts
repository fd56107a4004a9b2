import { mock } from 'node:test'

import { t } from 'tap'

import { readSchedule } from '../../src/clock/schedule.ts'
import type { DavitEvent } from '../../src/event.ts'
import type { Job, Plugin } from '../../src/plugin/define.ts'
import { desk } from '../cli/desk.ts'
import { calling, member, workshop } from '../core/workshop.ts'

const hourly = { name: 'tidy', about: 'Tidies up', schedule: '7 * * * *' } as const
const own = member({ name: 'davit', about: 'Davit itself', api: 1 })
const withJobs = (name: string, jobs: Plugin['jobs']): Plugin => ({
  name,
  about: '',
  api: 1,
  jobs: jobs ?? [],
})

t.test('a job runs by the clock, with its own context, and how it went is kept', async t => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: new Date(2026, 0, 1, 12, 0, 0) })
  t.teardown(() => mock.timers.reset())
  const said: string[] = []
  const { rooms, members } = workshop(t, {
    plugins: [
      withJobs('p', [
        { ...hourly, run: ({ kv, by }) => void said.push(`${kv.get('who')} for ${by.person}`) },
        { name: 'bad', about: '', schedule: '8 * * * *', run: () => Promise.reject(new Error('no room')) },
      ]),
    ],
  })
  members[0]!.context.kv.set('who', 'p')
  rooms.jobs.follow(members)
  t.strictSame(rooms.jobs.list(), [], 'nothing before the clock begins')
  rooms.jobs.begin(own)
  t.strictSame(
    rooms.jobs.list().map(each => [each.plugin, each.name, each.next, each.runs]),
    [
      ['p', 'bad', new Date(2026, 0, 1, 12, 8), []],
      ['p', 'tidy', new Date(2026, 0, 1, 12, 7), []],
    ],
  )
  for (let minute = 0; minute < 10; minute++) {
    mock.timers.tick(60_000)
    await new Promise(setImmediate)
  }
  await rooms.background.idle()
  t.strictSame(said, ['p for davit'])
  t.match(rooms.jobs.list(), [
    { name: 'bad', runs: [{ outcome: 'failed', reason: 'no room' }] },
    { name: 'tidy', next: new Date(2026, 0, 1, 13, 7), runs: [{ outcome: 'succeeded', reason: undefined }] },
  ])
})

t.test('a run that was missed while Davit was away is noted and told, or made up for', async t => {
  const heard: DavitEvent[] = []
  const said: string[] = []
  const run = (what: string) => () => void said.push(what)
  const { rooms, members } = workshop(t, {
    plugins: [
      withJobs('p', [
        { ...hourly, run: run('tidy') },
        { ...hourly, name: 'backup', catchesUp: true, run: run('backup') },
        { ...hourly, name: 'moved', schedule: '9 * * * *', run: run('moved') },
      ]),
      { name: 'log', about: '', api: 1, hooks: { afterEvent: event => void heard.push(event) } },
    ],
  })
  const at = new Date(Date.now() - 7_200_000)
  for (const name of ['tidy', 'backup', 'moved'])
    rooms.store.jobs.setDue({ plugin: 'p', name }, { schedule: hourly.schedule, at })
  rooms.jobs.follow(members)
  rooms.jobs.begin(own)
  await rooms.background.idle()
  t.strictSame(said, ['backup'])
  t.match(rooms.jobs.list(), [
    { name: 'backup', runs: [{ outcome: 'succeeded' }, { outcome: 'missed', at }] },
    { name: 'moved', runs: [] },
    { name: 'tidy', runs: [{ outcome: 'missed', at }] },
  ])
  t.match(heard, [{ kind: 'job-missed', level: 'warning', data: { job: 'p:tidy' } }])
})

t.test('runs do not lie over each other unless a job wants that', async t => {
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const end = Promise.withResolvers<void>()
  let count = 0
  const long = (name: string, overlaps?: true): Job => ({
    ...{ ...hourly, name, ...(overlaps ? { overlaps } : {}) },
    run() {
      begun[count++]!.resolve()
      return end.promise
    },
  })
  const { rooms, members, core } = workshop(t, {
    plugins: [withJobs('p', [long('one'), long('many', true)])],
  })
  rooms.jobs.follow(members)
  rooms.jobs.begin(own)
  const runs = [core.jobs.run('p', 'one', calling())]
  await begun[0]!.promise
  await t.rejects(core.jobs.run('p', 'one', calling()), { code: 'job-running' })
  runs.push(core.jobs.run('p', 'many', calling()), core.jobs.run('p', 'many', calling()))
  await Promise.all(begun.map(each => each.promise))
  end.resolve()
  await Promise.all(runs)
  await t.rejects(core.jobs.run('p', 'none', calling()), { code: 'job-missing' })
})

t.test('a job that takes too long, or is told to end, is given up with its reason', async t => {
  const signals: AbortSignal[] = []
  const never = (timeoutMs: number): Job => ({
    ...{ ...hourly, name: `never-${timeoutMs}`, timeoutMs },
    run({ signal }) {
      signals.push(signal)
      return new Promise<void>(() => undefined)
    },
  })
  const { rooms, members, core } = workshop(t, { plugins: [withJobs('p', [never(20), never(60_000)])] })
  rooms.jobs.follow(members)
  rooms.jobs.begin(own)
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(alive))
  await t.rejects(core.jobs.run('p', 'never-20', calling()), { message: 'it took longer than 0.02 s' })
  const leave = new AbortController()
  const run = core.jobs.run('p', 'never-60000', calling({ signal: leave.signal }))
  leave.abort(new Error('left'))
  await t.rejects(run, { message: 'left' })
  t.ok(signals.every(each => each.aborted))
  t.match(rooms.jobs.list(), [{ runs: [{ outcome: 'failed' }] }, { runs: [{ outcome: 'failed' }] }])
})

t.test('jobs follow what a plugin keeps, and go with it', async t => {
  const jobs: Plugin['jobs'] = ({ kv }) =>
    (kv.get<string[]>('names') ?? []).map(name => ({ ...hourly, name, run: () => undefined }))
  const { rooms, members } = workshop(t, { plugins: [withJobs('p', jobs)] })
  const { core, kv } = members[0]!.context
  rooms.jobs.follow(members)
  rooms.jobs.begin(own)
  const names = () => rooms.jobs.list().map(each => each.name)
  t.strictSame(names(), [])
  kv.set('names', ['a', 'b'])
  core.jobs.changed()
  t.strictSame(names(), ['a', 'b'])
  kv.set('names', ['b'])
  core.jobs.changed()
  t.strictSame(names(), ['b'])
  rooms.jobs.follow([])
  t.strictSame(names(), [])
})

t.test('a job with a bad schedule is told, and costs the others nothing', async t => {
  const heard: DavitEvent[] = []
  const { rooms, members } = workshop(t, {
    plugins: [
      withJobs('p', [
        { ...hourly, name: 'odd', schedule: 'each morning', run: () => undefined },
        { ...hourly, run: () => undefined },
      ]),
      withJobs('q', () => {
        throw new Error('no idea')
      }),
      { name: 'log', about: '', api: 1, hooks: { afterEvent: event => void heard.push(event) } },
    ],
  })
  rooms.jobs.follow(members)
  rooms.jobs.begin(own)
  t.strictSame(
    rooms.jobs.list().map(each => each.name),
    ['tidy'],
  )
  t.match(heard, [
    { kind: 'job-failed', text: /p:odd cannot be planned: "each morning" is no schedule/ },
    { kind: 'job-failed', text: 'q does not say what its jobs are: no idea' },
  ])
})

t.test('a schedule has five fields', t => {
  for (const good of ['* * * * *', '*/5 0-6 1,15 * mon']) t.equal(readSchedule(good), good)
  for (const bad of ['', '* * * *', '* * * * * *', '61 * * * *', '@daily; rm', '* * * * funday'])
    t.throws(() => readSchedule(bad), { code: 'bad-schedule' }, bad)
  t.end()
})

t.test('jobs:list, jobs:info and jobs:run', async t => {
  const { say, rooms, members } = desk(t, [], {
    plugins: [withJobs('p', [{ ...hourly, run: ({ out }) => out('tidied') }])],
  })
  rooms.jobs.follow(members)
  rooms.jobs.begin(own)
  t.match(await say('jobs:info p:tidy'), { code: 0, stderr: /has not run yet/ })
  t.match(await say('jobs:run p:tidy'), { code: 0, stdout: /^tidied$/m })
  t.match(await say('jobs:list'), {
    stdout: /^p:tidy +7 \* \* \* \* +\S+ \S+ +\S+ \S+ succeeded +Tidies up$/m,
  })
  t.match(JSON.parse((await say('jobs:list --format json')).stdout), [
    { job: 'p:tidy', next: /:07:00/, runs: [{ outcome: 'succeeded', reason: null }] },
  ])
  t.match(await say('jobs:info p:tidy'), { stdout: /succeeded/ })
  t.match(await say('jobs:run nothing'), { code: 1, stderr: /There is no job nothing/ })
  t.match(await say('jobs:info p:other'), { code: 1, stderr: /There is no job p:other/ })
})
