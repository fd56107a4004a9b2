import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Test, t } from 'tap'

import { createDriver, type Member } from '../../src/plugin/driver.ts'
import { calling, shop } from '../core/workshop.ts'
import { rostered } from './rostered.ts'

t.test('a plugin outside the repository imports davit/plugin', async t => {
  const { members, refused } = await load(t, {
    hello: `
      import { appName, defineCommand, definePlugin, UserError } from 'davit/plugin'
      import { greeting } from './greeting.ts'
      export default definePlugin({
        name: 'hello', about: 'Says hello', api: 1,
        commands: [defineCommand({
          name: 'hello:say', about: 'Say hello', args: { app: appName() },
          run: ({ app }, { out }) => out(\`\${greeting} \${app}\`),
        })],
        hooks: { beforeCreate() { throw new UserError('no', 'Not today.') } },
      })`,
    'hello/greeting.ts': `export const greeting: string = 'Hello'`,
  })
  t.strictSame(refused, [])
  t.match(members[0]?.plugin.commands, [{ name: 'hello:say' }])
  const app = { id: 1, name: shop, createdAt: new Date(), retired: false }
  await t.rejects(
    createDriver(() => members).beforeCreate({ app }, calling()),
    { plugin: 'hello', cause: { code: 'no', name: 'UserError' } },
    'its errors are those that Davit knows',
  )
})

t.test('a plugin has a folder of its own, closed to others, and values of its own', async t => {
  const { members, data } = await load(t, { one: plugin('one'), two: plugin('two') })
  const [one, two] = members
  t.equal(one!.context.dir, join(data, 'one/data'))
  t.equal((await stat(one!.context.dir)).mode & 0o777, 0o700)
  one!.context.kv.set('x', 1)
  t.equal(two!.context.kv.get('x'), undefined)
})

t.test('a plugin that cannot be loaded is refused by name and reason, and the others load', async t => {
  const { members, refused } = await load(t, {
    good: plugin('good'),
    'bad-api': plugin('bad-api', 'api: 2'),
    'bad-name': plugin('other'),
    'bad-syntax': 'export default {{{',
    'bad-throw': `throw new Error('no such thing')`,
    'bad-throw-word': `throw 'nothing'`,
    'bad-import': `import 'no-such-package'`,
    'bad-none': `export const plugin = 1`,
    'bad-null': `export default null`,
    'bad-number': `export default 7`,
    'bad-enum': `export enum A { B }\n${plugin('bad-enum')}`,
    'bad-reach': `import '../../src/core/core.ts'`,
  })
  t.strictSame(names({ members }), ['good'])
  const reasons = Object.fromEntries(refused.map(each => [each.name, each.reason]))
  t.match(reasons, {
    'bad-api': 'it is for api 2; this Davit speaks api 1',
    'bad-name': 'it calls itself other, but its folder is bad-name',
    'bad-syntax': /\w/,
    'bad-throw': 'no such thing',
    'bad-throw-word': 'nothing',
    'bad-import': /no-such-package/,
    'bad-none': /no default export/,
    'bad-null': /no default export/,
    'bad-number': /no default export/,
    'bad-enum': /enum/,
    'bad-reach': /Cannot find module/,
  })
  t.equal(refused.length, 11)
})

t.test(
  'a plugin that listens to what is no hook is refused, so that nobody waits for it to be heard',
  async t => {
    const { members, refused } = await load(t, {
      late: plugin('late', 'api: 1, hooks: { afterRelese() {} }'),
      order: plugin('order', `api: 1, hooks: { afterRelease: { order: 'first', handle() {} } }`),
      silent: plugin('silent', `api: 1, hooks: { afterRelease: { order: 'early' } }`),
      fine: plugin(
        'fine',
        `api: 1, hooks: { afterRelease: { order: 'early', handle() {} }, beforeCreate: undefined }`,
      ),
    })
    t.strictSame(names({ members }), ['fine'])
    t.match(refused, [
      {
        name: 'late',
        reason:
          /^it listens to afterRelese, which is no hook \(did you mean afterRelease\?\): there are beforeCreate, /,
      },
      {
        name: 'order',
        reason: 'its afterRelease has the order "first": there are early and late, and none',
      },
      {
        name: 'silent',
        reason: 'its afterRelease has to be a function, or an object with one called handle',
      },
    ])
  },
)

t.test(
  'a module with what means nothing, or is of another kind, is refused with what may stand there',
  async t => {
    const wrong = {
      key: [
        'comands: []',
        /a key "comands" that means nothing \(did you mean commands\?\): its keys are name, about/,
      ],
      far: ['zzzzzzzz: 1', /a key "zzzzzzzz" that means nothing: its keys are name/],
      needs: [
        "needs: 'storage'",
        /"needs" of what index\.ts exports is "storage"; it has to be a list of names/,
      ],
      start: ['start: 1', /"start" of what index\.ts exports is 1; it has to be a function/],
      verb: [
        "commands: [{ name: 'Hello World', about: '', run() {} }]",
        /a command called "Hello World", which nobody could type: TOPIC:VERB/,
      ],
      run: ["commands: [{ name: 'a:b', about: '' }]", /its command a:b has no run/],
      job: ["jobs: [{ name: 'tidy', run() {} }]", /its job "tidy" has to have a name, a schedule and a run/],
      mount: ["mounts: [{ path: 'x', handle() {} }]", /its mount "x" has to have a path that begins with \//],
    } as const
    const sources = Object.entries(wrong).map(([name, [more]]) => [name, plugin(name, `api: 1, ${more}`)])
    const { refused } = await load(t, {
      ...Object.fromEntries(sources),
      bare: "export default { name: 'bare', about: '' }",
    })
    t.equal(refused.length, 9)
    for (const { name, reason } of refused)
      t.match(
        reason,
        name === 'bare' ? /no "api", which has to be the number 1/ : wrong[name as keyof typeof wrong][1],
      )
  },
)

t.test('plugins stand in the order of their needs, then by name', async t => {
  const { members } = await load(t, {
    a: plugin('a', `api: 1, needs: ['z', 'c']`),
    b: plugin('b'),
    c: plugin('c'),
    z: plugin('z'),
  })
  t.strictSame(names({ members }), ['c', 'z', 'a', 'b'])
})

t.test('a need that is not there, or is off, is named; what does not need it loads', async t => {
  const { members, refused } = await load(t, {
    a: plugin('a', `api: 1, needs: ['nowhere']`),
    b: plugin('b', `api: 1, needs: ['a']`),
    c: plugin('c', `api: 1, needs: ['broken']`),
    broken: `throw new Error('x')`,
    d: plugin('d'),
  })
  t.strictSame(names({ members }), ['d'])
  t.match(refused, [
    { name: 'a', reason: 'it needs nowhere, which is not there' },
    { name: 'b', reason: 'it needs a, which is off' },
    { name: 'broken', reason: 'x' },
    { name: 'c', reason: /needs broken, which is / },
  ])
})

t.test('plugins that need each other are refused, and the circle is told', async t => {
  const { members, refused } = await load(t, {
    a: plugin('a', `api: 1, needs: ['b']`),
    b: plugin('b', `api: 1, needs: ['c']`),
    c: plugin('c', `api: 1, needs: ['a']`),
    d: plugin('d', `api: 1, needs: ['d']`),
    e: plugin('e'),
  })
  t.strictSame(names({ members }), ['e'])
  const reasons = Object.fromEntries(refused.map(each => [each.name, each.reason]))
  t.equal(reasons.a, 'it needs itself: a needs b needs c needs a')
  t.equal(reasons.d, 'it needs itself: d needs d')
  t.match(reasons.b, /needs c, which is off/)
  t.match(reasons.c, /needs a, which is off/)
})

t.test('two plugins of one name are not both taken', async t => {
  const one = await folders(t, { x: plugin('x'), y: plugin('y') })
  const two = await folders(t, { x: plugin('x') })
  const { members, refused } = await loadFrom(t, [one, two])
  t.strictSame(names({ members }), ['x', 'y'])
  t.strictSame(refused, [])
})

t.test('the later plugin with a command that is there already is off, and says whose it is', async t => {
  const bring = `api: 1, commands: [{ name: 'x:y', about: '', run() {} }]`
  const own = `api: 1, commands: [{ name: 'apps:list', about: '', run() {} }]`
  const { members, refused } = await load(t, {
    a: plugin('a', bring),
    b: plugin('b', bring),
    c: plugin('c', own),
    d: plugin('d', `api: 1, needs: ['b']`),
  })
  t.strictSame(names({ members }), ['a'])
  t.match(refused, [
    { name: 'b', reason: 'a brings x:y already' },
    { name: 'c', reason: 'Davit itself brings apps:list already' },
    { name: 'd', reason: /b, which is off/ },
  ])
})

t.test('what is no plugin folder is passed over', async t => {
  const dir = await folders(t, { a: plugin('a') })
  await writeFile(join(dir, 'README.md'), '')
  await mkdir(join(dir, 'empty/index.ts'), { recursive: true })
  t.strictSame(names(await loadFrom(t, [dir])), ['a'])
})

/** `more` is what it says besides its name: at least its api. */
function plugin(name: string, more = 'api: 1'): string {
  return `export default { name: '${name}', about: '', ${more} }`
}

async function load(t: Test, sources: Readonly<Record<string, string>>) {
  return loadFrom(t, [await folders(t, sources)])
}

async function loadFrom(t: Test, from: readonly string[]) {
  const data = await ownFolder(t)
  const { roster, members, refused } = await rostered(t, from, { data })
  return { roster, members: members(), refused: refused(), data }
}

/** A folder of plugins: a name to its index.ts, a path to another file. */
async function folders(t: Test, sources: Readonly<Record<string, string>>): Promise<string> {
  const dir = await ownFolder(t)
  for (const [name, text] of Object.entries(sources)) {
    const path = join(dir, name.includes('/') ? name : `${name}/index.ts`)
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, text)
  }
  return dir
}

async function ownFolder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-plugins-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

function names({ members }: { members: readonly Member[] }): string[] {
  return members.map(each => each.plugin.name)
}
