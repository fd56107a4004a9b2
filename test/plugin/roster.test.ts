import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Test, t } from 'tap'

import type { Context, Job } from '../../src/plugin/define.ts'
import { createDriver, type Member } from '../../src/plugin/driver.ts'
import type { Place } from '../../src/plugin/load.ts'
import type { HandledMount } from '../../src/plugin/mount.ts'
import { calling, shop } from '../core/workshop.ts'
import { rostered } from './rostered.ts'

const app = { id: 1, name: shop, createdAt: new Date(), retired: false }

t.test('another version of a plugin takes over, its own files with it', async t => {
  const { roster, members } = await rostered(t, [])
  const write = async (version: string) =>
    place(t, 'hello', version, {
      'index.ts': `import { word } from './word.ts'
        export default { name: 'hello', about: '', api: 1, hooks: { findBuilder: () => ({ name: word, dockerfile: '' }) } }`,
      'word.ts': `export const word: string = '${version}'`,
    })
  const ask = async () =>
    (await createDriver(members).findBuilder({ app, source: {} as never }, calling()))?.name
  await roster.admit(await write('one'))
  t.equal(await ask(), 'one')
  await roster.admit(await write('two'))
  t.equal(await ask(), 'two')
  t.match(roster.list(), [{ name: 'hello', version: 'two', off: undefined, hooks: ['findBuilder'] }])
  t.equal(members().length, 1)
})

t.test(
  'a bug in a command is told with the plugin’s name, and what a person can put right as it is',
  async t => {
    const { roster, members } = await rostered(t, [])
    const text = `import { UserError } from 'davit/plugin'
    export default { name: 'hello', about: '', api: 1, commands: [
      { name: 'hello:bug', about: '', run: () => undefined.x },
      { name: 'hello:closed', about: '', run: () => { throw new UserError('closed', 'Closed today.') } },
    ] }`
    await roster.admit(await place(t, 'hello', 'one', { 'index.ts': text }))
    const [bug, closed] = members()[0]!.plugin.commands!
    await t.rejects(Promise.resolve(bug!.run({}, {} as never)), {
      name: 'HookError',
      message: /^hello stopped hello:bug: Cannot read properties of undefined/,
    })
    await t.rejects(Promise.resolve(closed!.run({}, {} as never)), { name: 'UserError', code: 'closed' })
  },
)

t.test('a version is read anew when it is put in again', async t => {
  const { roster, members } = await rostered(t, [])
  const one = await place(t, 'hello', 'one', {
    'index.ts': `import { about } from './about.ts'\nexport default { name: 'hello', about, api: 1 }`,
    'about.ts': `export const about = 'before'`,
  })
  await roster.admit(one)
  await writeFile(join(one.folder, 'about.ts'), `export const about = 'after'`)
  await roster.admit(one)
  t.equal(members()[0]!.plugin.about, 'after')
})

t.test('a version that cannot be read, does not fit in or does not start leaves what was there', async t => {
  const { roster, members } = await rostered(t, [])
  const put = async (name: string, text: string) =>
    roster.admit(await place(t, name, text.length.toString(), { 'index.ts': text }))
  await put('a', plugin('a'))
  await put('b', plugin('b', `, needs: ['a'], commands: [{ name: 'b:c', about: '', run() {} }]`))
  const before = members()
  for (const [name, text, reason] of [
    ['a', 'throw new Error("no luck")', /no luck/],
    ['a', plugin('a', `, start() { throw new Error('no start') }`), /it did not start: no start/],
    ['a', plugin('a', `, needs: ['b']`), /it needs itself: a needs b needs a/],
    [
      'a',
      plugin('a', `, commands: [{ name: 'b:c', about: '', run() {} }]`),
      /b would be off: a brings b:c already/,
    ],
    ['a', plugin('a', `, hooks: { afterwards() {} }`), /no hook/],
    ['c', plugin('c', `, needs: ['d']`), /needs d, which is not there/],
    ['c', plugin('c', `, commands: [{ name: 'apps:list', about: '', run() {} }]`), /Davit itself/],
  ] as const)
    await t.rejects(put(name, text), { code: 'plugin-refused', message: reason })
  t.equal(members(), before)
  t.same(roster.find('c'), undefined)
})

t.test('what a plugin waited for comes on with it, and goes off with it', async t => {
  const { roster, members } = await rostered(t, [
    await folder(t, { 'b/index.ts': plugin('b', `, needs: ['a']`) }),
  ])
  t.match(roster.find('b'), { off: 'it needs a, which is not there' })
  await roster.admit(await place(t, 'a', '1', { 'index.ts': plugin('a') }))
  t.strictSame(names(members()), ['a', 'b'])
  await roster.retire('a', 'it is disabled')
  t.match(roster.list(), [
    { name: 'a', off: 'it is disabled' },
    { name: 'b', off: 'it needs a, which is off' },
  ])
  t.strictSame(members(), [])
})

t.test('a version that was replaced ends once what it is at has ended', async t => {
  const { roster, members } = await rostered(t, [])
  const stopped = Promise.withResolvers<void>()
  const going = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const steps: string[] = []
  const hear = (step: string) => {
    steps.push(step)
    if (step === 'began') began.resolve()
    if (step === 'stopped') stopped.resolve()
    return going.promise
  }
  Object.assign(globalThis, { rosterTestHears: hear })
  t.teardown(() => Reflect.deleteProperty(globalThis, 'rosterTestHears'))
  await roster.admit(
    await place(t, 'a', '1', {
      'index.ts': plugin(
        'a',
        `, hooks: { async beforeCreate(event, { signal }) {
            await globalThis.rosterTestHears('began')
            globalThis.rosterTestHears(signal.aborted ? 'aborted' : 'ended')
          } },
          stop() { globalThis.rosterTestHears('stopped') }`,
      ),
    }),
  )
  const creating = createDriver(members).beforeCreate({ app }, calling())
  await began.promise
  await roster.admit(await place(t, 'a', '2', { 'index.ts': plugin('a') }))
  t.strictSame(steps, ['began'])
  going.resolve()
  await creating
  await stopped.promise
  t.strictSame(steps, ['began', 'ended', 'stopped'])
})

t.test('answers of mounts and runs of jobs are waited for, too', async t => {
  const { roster, members } = await rostered(t, [])
  const seen = Promise.withResolvers<string>()
  Object.assign(globalThis, { rosterTestSees: seen.resolve })
  t.teardown(() => Reflect.deleteProperty(globalThis, 'rosterTestSees'))
  const first = await place(t, 'a', '1', {
    'index.ts': plugin(
      'a',
      `, mounts: [{ path: '/x', handle: () => new Promise(resolve => { globalThis.rosterTestAnswers = resolve }) }],
         jobs: () => [{ name: 'j', about: '', schedule: '* * * * *', run: () => new Promise(resolve => { globalThis.rosterTestRuns = resolve }) }],
         stop() { globalThis.rosterTestSees('stopped') }`,
    ),
  })
  await roster.admit(first)
  const [{ plugin: one, context }] = members() as [Member]
  const mount = one.mounts![0] as HandledMount
  const answer = mount.handle({} as never, context)
  const [job] = (one.jobs as (context: Context) => readonly Job[])(context)
  const run = job!.run(context as never)
  await roster.admit(await place(t, 'a', '2', { 'index.ts': plugin('a') }))
  const { rosterTestAnswers, rosterTestRuns } = globalThis as unknown as Record<
    string,
    (value: unknown) => void
  >
  t.equal(context.signal.aborted, false)
  rosterTestAnswers!({ status: 200 })
  t.match(await answer, { status: 200 })
  t.equal(context.signal.aborted, false)
  rosterTestRuns!(undefined)
  await run
  t.equal(await seen.promise, 'stopped')
})

t.test('a plugin that is turned off is heard no more, and what waits for it is given up', async t => {
  const faults: unknown[] = []
  const { roster, members } = await rostered(t, [], { fault: (...what) => faults.push(what) })
  await roster.admit(
    await place(t, 'a', '1', {
      'index.ts': plugin('a', `, hooks: { beforeCreate: () => new Promise(() => {}) }`),
    }),
  )
  await roster.admit(await place(t, 'b', '1', { 'index.ts': plugin('b', `, needs: ['a']`) }))
  const creating = createDriver(members).beforeCreate({ app }, calling())
  roster.turnOff('a', 'it went wrong')
  await t.rejects(creating)
  t.strictSame(members(), [])
  t.strictSame(faults, [
    ['a', 'it went wrong'],
    ['b', 'it needs a, which is off'],
  ])
  t.match(roster.find('a'), { off: 'it went wrong' })
})

t.test('a plugin that does not start is off, and so is what needs it', async t => {
  const told: unknown[] = []
  const { members, refused } = await rostered(
    t,
    [
      await folder(t, {
        'a/index.ts': plugin('a', `, async start() { throw new Error('no start') }`),
        'b/index.ts': plugin('b', `, needs: ['a']`),
        'c/index.ts': plugin('c'),
      }),
    ],
    { fault: (...what) => told.push(what) },
  )
  t.strictSame(told, [
    ['a', 'it did not start: no start (index.ts:1)'],
    ['b', 'it needs a, which is off'],
  ])
  t.strictSame(names(members()), ['c'])
  t.strictSame(refused(), [
    { name: 'a', reason: 'it did not start: no start (index.ts:1)' },
    { name: 'b', reason: 'it needs a, which is off' },
  ])
})

function plugin(name: string, more = ''): string {
  return `export default { name: '${name}', about: '', api: 1${more} }`
}

function names(members: ReturnType<Awaited<ReturnType<typeof rostered>>['members']>): string[] {
  return members.map(each => each.plugin.name)
}

async function place(
  t: Test,
  name: string,
  version: string,
  files: Readonly<Record<string, string>>,
): Promise<Place> {
  return { name, version, folder: await folder(t, files), origin: 'installed' }
}

async function folder(t: Test, files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-roster-'))
  t.teardown(() => rm(dir, { recursive: true }))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true })
    await writeFile(join(dir, path), text)
  }
  return dir
}
