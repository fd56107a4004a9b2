import { mkdirSync } from 'node:fs'

import { type Test, t } from 'tap'

import { sitePath } from '../../src/deploy/site.ts'
import { createDriver } from '../../src/plugin/driver.ts'
import { readJsonc } from '../../src/plugin/jsonc.ts'
import { desk } from '../cli/desk.ts'
import { calling, member, shop } from '../core/workshop.ts'
import { loaded } from './loaded.ts'

async function withCron(t: Test) {
  const all = desk(t, [], { plugins: await loaded(t, ['cron']) })
  await all.say('apps:create shop')
  const { rooms, members } = all
  rooms.jobs.follow(members)
  rooms.jobs.begin(member({ name: 'davit', about: '', api: 1 }))
  const hooks = createDriver(rooms.roster.members)
  const app = rooms.store.apps.find(shop)!
  /** As far as the plugin sees of a push. */
  const push = async (revision: string, file: string | undefined) => {
    const read = async () => (file === undefined ? undefined : Buffer.from(file))
    const source = { revision, read } as unknown as Parameters<typeof hooks.beforeBuild>[0]['source']
    await hooks.beforeBuild({ app, source }, calling())
    mkdirSync(sitePath(app, revision, rooms), { recursive: true })
    const release = rooms.store.releases.add(shop, {
      ...{ image: `static:${revision}`, revision, procfile: {}, port: 5000 },
      ...{ config: {}, by: 'ann', why: 'push' },
    })
    rooms.store.releases.makeLive(shop, release.number)
    await hooks.afterRelease({ app, release }, calling())
  }
  const jobs = () => rooms.jobs.list().map(each => [each.about, each.schedule])
  return { ...all, push, jobs, kv: members[0]!.context.kv }
}

const two = `{
  // nightly, and often
  "cron": [
    { "command": "python tidy.py --url http://x", "schedule": "@daily" },
    { "command": "true", "schedule": "*/5 * * * *", "concurrency_policy": "allow", },
  ], /* the end */
}`

t.test(
  'the tasks of the live release run by the clock, and those of an older one again after a rollback',
  async t => {
    const { push, jobs, kv, rooms, members } = await withCron(t)
    await push('one', two)
    t.same(jobs().sort(), [
      ['python tidy.py --url http://x', '0 0 * * *'],
      ['true', '*/5 * * * *'],
    ])
    await push('two', '{"cron": [{"command": "other", "schedule": "1 2 3 4 5"}]}')
    t.strictSame(jobs(), [['other', '1 2 3 4 5']])
    await push('three', undefined)
    t.strictSame(jobs(), [])
    await createDriver(() => members).afterRelease(
      { app: rooms.store.apps.find(shop)!, release: undefined! },
      calling(),
    )
    t.equal(kv.list().length, 2, 'what a release was made from is kept')
    rooms.store.releases.makeLive(shop, 1)
    members[0]!.context.core.jobs.changed()
    t.equal(jobs().length, 2)
  },
)

t.test('tasks are listed, suspended, taken up again, and go with the app', async t => {
  const { say, push, jobs, kv } = await withCron(t)
  t.match(await say('cron:list shop'), { stderr: /has no cron tasks/ })
  await push('one', two)
  const tasks = JSON.parse((await say('cron:list shop --format json')).stdout)
  t.match(tasks, [{ app: 'shop', schedule: '0 0 * * *', suspended: false, id: /^[0-9a-f]{8}$/ }, {}])
  await say(`cron:suspend shop ${tasks[0].id}`)
  t.strictSame(jobs(), [['true', '*/5 * * * *']])
  t.match((await say('cron:list shop')).stdout, /0 0 \* \* \* +true +python tidy/)
  await say('cron:resume shop')
  t.equal(jobs().length, 2)
  await say('cron:set shop maintenance true')
  t.strictSame(jobs(), [])
  t.match((await say('cron:report shop')).stdout, /computed maintenance: +true/)
  await say('cron:set shop maintenance')
  t.match(await say('cron:suspend shop nothing'), { code: 1, stderr: /has no cron task nothing/ })
  t.match(await say('cron:set shop mailto ann'), { code: 1, stderr: /notify:add/ })
  t.equal(jobs().length, 2)
  await say('cron:set --global maintenance true')
  t.strictSame(jobs(), [])
  t.equal(kv.list().length, 1)
})

t.test('an app.json that cannot be used stops the push, and says why', async t => {
  const { push } = await withCron(t)
  const wrong: Record<string, RegExp> = {
    '{': /cannot be used/,
    '{"cron": {}}': /no list/,
    '{"cron": [{"schedule": "* * * * *"}]}': /no command/,
    '{"cron": [{"command": "x"}]}': /x has no schedule/,
    '{"cron": [{"command": "x", "schedule": "daily"}]}': /x: "daily" is no schedule/,
    '{"cron": [{"command": "x", "schedule": "* * * * *", "concurrency_policy": "replace"}]}':
      /neither forbid nor allow/,
  }
  for (const [file, message] of Object.entries(wrong))
    await t.rejects(push('x', file), { name: 'HookError', message }, file)
  for (const [at, file] of ['{}', '{"cron": []}', 'null', '{"name": "shop"}'].entries())
    await push(`r${at}`, file)
})

t.test('JSON may have comments and trailing commas, but not within texts', t => {
  t.same(readJsonc('{"a": "// no, } /* x */", /* b */ "b": [1, 2,], // c\n}'), {
    a: '// no, } /* x */',
    b: [1, 2],
  })
  t.throws(() => readJsonc('{,}'), SyntaxError)
  t.throws(() => readJsonc('{"a": 1 2}'), SyntaxError)
  t.end()
})
