import { existsSync, mkdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { type Test, t } from 'tap'
import tar from 'tar-stream'

import { createCore } from '../../src/core/core.ts'
import { placesOf, sweepPlugins } from '../../src/core/plugin-places.ts'
import { definePlugin } from '../../src/plugin/define.ts'
import type { Route } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'
import { gitServer } from '../git/http.ts'
import { ann } from './workshop.ts'

const manifest = (name: string, more: object = {}) =>
  JSON.stringify({ name, about: 'Says hello', api: 1, ...more })
const hello = (word: string) => ({
  'plugin.json': manifest('hello'),
  'hooks/beforeCreate!': `#!/bin/sh\necho ${word}\n`,
})
const module = (name: string, more = '') =>
  `import { definePlugin } from 'davit/plugin'\nexport default definePlugin({ name: '${name}', about: 'In TypeScript', api: 1${more} })`

t.test('a plugin comes in a tar on stdin, is on at once, and again without harm', async t => {
  const { say, data } = await plugins(t)
  const packed = await tarOf(hello('Hello'))
  t.match(await say('plugin:install -', { input: packed }), {
    code: 0,
    stdout: /^hello is installed, at [0-9a-f]{10}$/m,
  })
  t.match(await say('apps:create shop'), { code: 0, stdout: /Hello/ })
  t.match(await say('plugin:install -', { input: packed }), {
    code: 0,
    stdout: /hello is at [0-9a-f]{10} already/,
  })
  t.match(await say('plugin:installed hello'), { code: 0 })
  t.match(await say('plugin:installed other'), { code: 1 })
  t.match(await say('plugin:list'), { stdout: /^hello +[0-9a-f]{10} +on +Says hello$/m })
  const [facts] = JSON.parse((await say('plugin:list --format json')).stdout) as Record<string, string>[]
  t.match(facts, {
    name: 'hello',
    state: 'on',
    origin: 'installed',
    source: 'tar',
    kind: 'executable',
    hooks: 'beforeCreate',
    api: '1',
  })
  t.equal((await say('plugin:report hello --plugin-hooks')).stdout, 'beforeCreate\n')
  t.match(await say('plugin:report hello'), {
    stdout: /=====> hello plugin information\n.*Plugin name: +hello/s,
  })
  t.match(await say('plugin:report hello --plugin-colour'), { code: 1, stderr: /valid flags: --plugin-name/ })
  t.same(await folders(data), ['hello', `hello/${facts!.version}`, 'hello/data'])
})

t.test('another tar of that name is another version; one gone wrong leaves what was there', async t => {
  const { say, data } = await plugins(t)
  await say('plugin:install -', { input: await tarOf(hello('One')) })
  t.match(
    await say('plugin:install -', { input: gzipSync(await tarOf(inFolder('hello-1.0', hello('Two')))) }),
    {
      code: 0,
      stdout: /hello is now at/,
    },
  )
  const before = await folders(data)
  for (const [input, reason] of [
    [await tarOf({ ...hello('Three'), 'hooks/afterwards!': '' }), /listens to afterwards, which is no hook/],
    [
      await tarOf({ ...hello('Two'), 'plugin.json': manifest('hello', { api: 2 }) }),
      /it is for api 2; this Davit speaks api 1/,
    ],
    [
      await tarOf({ ...hello('Two'), 'plugin.json': manifest('hello', { needs: ['x'] }) }),
      /needs x, which is not there/,
    ],
    [await tarOf({ 'README.md': '' }), /neither an index.ts nor a plugin.json/],
    [await tarOf({ ...hello('Two'), 'plugin.json': manifest('../hello') }), /cannot be a plugin's name/],
    [await tarOf({ 'index.ts': 'throw new Error("no luck")' }), /no luck/],
    [await tarOf({ 'index.ts': 'process.exit(0)' }), /it ended the process that read it/],
    [await tarOf({ 'index.ts': 'process.abort()' }), /it ended the process that read it with 134/],
    [
      await tarOf({ 'index.ts': module('hello', `, start() { throw new Error('no start') }`) }),
      /did not start: no start/,
    ],
    [
      await tarOf({ 'index.ts': module('hello'), 'package.json': '{"dependencies": {"x": "1"}}' }),
      /no package-lock.json/,
    ],
    [Buffer.from('no tar'.repeat(200)), /it is no tar/],
    [gzipSync('no tar either'.repeat(200)), /it is no tar/],
    ['', /No archive came in/],
  ] as const) {
    const { code, stderr } = await say('plugin:install -', { input })
    t.match(stderr, reason)
    t.equal(code, 1)
  }
  t.match(await say('apps:create shop'), { stdout: /Two/ })
  t.same(await folders(data), before)
  t.match(await say('plugin:list'), { stdout: /^hello .* on /m })
})

t.test('an error in a plugin is told with its file and line', async t => {
  const { say } = await plugins(t)
  const start = (body: string) => `${module('hello', `, start() {\n${body}\n}`)}`
  for (const [files, reason] of [
    [{ 'index.ts': 'const a = 1\nconst b = {\n  c: = 1\n}\n' }, /: Expression expected \(index\.ts:3\)\./],
    [
      { 'index.ts': "import './deep/words.ts'\n", 'deep/words.ts': '\n\nexport const = 1\n' },
      /\(deep\/words\.ts:3\)/,
    ],
    [
      { 'index.ts': 'const a = 1\nconst b = {\n  c = 1,\n}\n' },
      /Invalid shorthand property initializer \(index\.ts:3\)\./,
    ],
    [
      { 'index.ts': "import './words.ts'\n", 'words.ts': 'let a = 1\nlet a = 2\nexport {}\n' },
      /Identifier 'a' has already been declared \(words\.ts:2\)/,
    ],
    [{ 'index.ts': '\n\nprocess.exit(3)' }, /it ended the process that read it \(index\.ts:3\)/],
    [{ 'index.ts': '// Words\nenum Word { Hello }\n' }, /enum is not supported.* \(index\.ts:2\)/],
    [
      { 'index.ts': "\nimport { word } from './words.ts'\n", 'words.ts': 'export const words = 1\n' },
      /'\.\/words\.ts' does not provide an export named 'word' \(index\.ts:2\)/,
    ],
    [
      { 'index.ts': "\n\nimport { word } from './words'\n" },
      /Cannot find module 'words' imported from index\.ts \(index\.ts:3\)/,
    ],
    [{ 'index.ts': "\nimport 'no-such-package'\n" }, /package 'no-such-package' .* \(index\.ts:2\)/],
    [{ 'index.ts': '\n\nthrow new Error("no luck")' }, /: no luck \(index\.ts:3\)/],
    [{ 'index.ts': '\nprocess.exit(0)' }, /it ended the process that read it \(index\.ts:2\)/],
    [{ 'index.ts': start('throw new Error("no start")') }, /did not start: no start \(index\.ts:3\)/],
    [{ 'index.ts': start('return new Error().gone.x') }, /did not start: Cannot read .* \(index\.ts:3\)/],
  ] as const) {
    const { code, stderr } = await say('plugin:install -', { input: await tarOf(files) })
    t.match(stderr, reason)
    t.notMatch(stderr, /\.new-|node:internal/, 'and not with where it lay')
    t.equal(code, 1)
  }
})

t.test(
  'what a hook throws is told with its place to the person, in the log and in plugin:report',
  async t => {
    const { say, logged } = await plugins(t)
    const hooks = `, hooks: {
    beforeCreate({ app }, { kv }) {
      if (app.name === 'bad') kv.get('words').join(' ')
    },
    async afterCreate({ app }) {
      await null
      if (app.name === 'late') throw new Error('nobody answers')
    },
  }`
    await say('plugin:install -', { input: await tarOf({ 'index.ts': module('hello', hooks) }) })
    t.equal((await say('plugin:report hello --plugin-last-failure')).stdout, '\n')
    t.match(await say('apps:create bad'), {
      code: 1,
      stderr:
        /hello stopped beforeCreate: Cannot read properties of undefined \(reading 'join'\) \(index\.ts:4\)/,
    })
    t.match(logged, [{ msg: 'a plugin stopped an operation', err: { message: /\(index\.ts:4\)/ } }])
    const failure = await say('plugin:report hello --plugin-last-failure')
    t.match(failure.stdout, /^\S+Z hello stopped beforeCreate: .* \(index\.ts:4\)\n$/)
    t.match(await say('apps:create late'), {
      code: 0,
      stderr: /hello stopped afterCreate: nobody answers \(index\.ts:8\)/,
    })
    t.match(await say('plugin:report hello'), {
      stdout: /Plugin last failure: .*afterCreate: nobody answers/,
    })
  },
)

t.test('archives that lead elsewhere are refused', async t => {
  const { say } = await plugins(t)
  for (const header of [
    { name: '../x' },
    { name: '/etc/x' },
    { name: 'x', type: 'symlink', linkname: '/etc' } as const,
    { name: 'x', type: 'character-device' } as const,
  ]) {
    const packed = tar.pack()
    packed.entry(header, '')
    packed.finalize()
    const input = Buffer.concat(await Array.fromAsync(packed as unknown as AsyncIterable<Buffer>))
    t.match(await say('plugin:install -', { input }), { code: 1, stderr: /The archive cannot be taken/ })
  }
})

t.test('a plugin comes from a repository, pinned to a commit, and is updated from there', async t => {
  const server = await gitServer(t)
  const { say } = await plugins(t, { allowLocal: ['127.0.0.0/8'] })
  const first = await server.commit('hello', { 'index.ts': module('hello', sayOnCreate('One')) })
  await server.git('hello', 'tag', 'v1')
  const url = `${server.url}/hello.git`
  t.match(await say(`plugin:install ${url}`), {
    code: 0,
    stdout: new RegExp(`installed, at ${first.slice(0, 10)}`),
  })
  t.match(await say('apps:create a'), { stdout: /One/ })
  const second = await server.commit('hello', { 'index.ts': module('hello', sayOnCreate('Two')) })
  t.match(await say(`plugin:install ${url}`), {
    code: 1,
    stderr: /installed already[\s\S]*plugin:update hello/,
  })
  t.match(await say('apps:create b'), { stdout: /One/ })
  t.match(await say('plugin:update'), { code: 0, stdout: new RegExp(`now at ${second.slice(0, 10)}`) })
  t.match(await say('apps:create c'), { stdout: /Two/ })
  t.match(await say('plugin:update hello'), { code: 0, stdout: /already/ })
  t.match(await say('plugin:update hello --committish v1'), {
    code: 0,
    stdout: new RegExp(first.slice(0, 10)),
  })
  t.match(await say('apps:create d'), { stdout: /One/ })
  t.match(await say(`plugin:update hello --committish ${second}`), {
    code: 0,
    stdout: new RegExp(second.slice(0, 10)),
  })
  t.match(await say('plugin:update hello --committish nowhere'), {
    code: 1,
    stderr: /no branch or tag nowhere/,
  })
  t.match(await say(`plugin:update hello --committish ${'0'.repeat(40)}`), {
    code: 1,
    stderr: /does not have that commit/,
  })
  await server.commit('hello', { 'index.ts': 'throw new Error("broken")' })
  t.match(await say('plugin:update hello --committish main'), { code: 1, stderr: /broken/ })
  t.match(await say('apps:create e'), { stdout: /Two/ })
})

t.test('where a plugin may come from is bounded', async t => {
  const { say } = await plugins(t, { allowLocal: ['127.0.0.1/32'] })
  for (const [url, reason] of [
    ['http://127.0.0.2:1/x.git', /not on the public internet/],
    ['file:///etc', /Nothing is fetched over file:/],
    ['ssh://git@example.test/x', /Nothing is fetched over ssh:/],
    ['http://me:secret@127.0.0.1/x', /would be told a password/],
    ['hello', /no address of a repository/],
    ['--upload-pack=x', /bad-usage|Usage|not/],
  ] as const)
    t.match(await say(`plugin:install ${url}`), { code: 1, stderr: reason }, url)
  t.match(await say('plugin:install http://127.0.0.1/y --committish=--evil'), {
    code: 1,
    stderr: /names no branch/,
  })
})

t.test('what a plugin depends on comes as its lockfile says', async t => {
  const { say } = await plugins(t)
  const lock = {
    name: 'hello',
    lockfileVersion: 3,
    packages: {
      '': { name: 'hello', dependencies: { word: 'file:word' } },
      'node_modules/word': { resolved: 'word', link: true },
      word: { name: 'word', version: '1.0.0' },
    },
  }
  const input = await tarOf({
    'index.ts': `import { word } from 'word'\n${module('hello', ', hooks: { beforeCreate: (_, { out }) => out(word) }')}`,
    'package.json': JSON.stringify({ name: 'hello', type: 'module', dependencies: { word: 'file:word' } }),
    'package-lock.json': JSON.stringify(lock),
    'word/package.json': JSON.stringify({
      name: 'word',
      version: '1.0.0',
      type: 'module',
      exports: './index.js',
      scripts: { install: 'touch /tmp/davit-install-script-ran' },
    }),
    'word/index.js': `export const word = 'From a dependency'`,
  })
  t.match(await say('plugin:install -', { input }), { code: 0 })
  t.match(await say('apps:create shop'), { stdout: /From a dependency/ })
  t.notOk(existsSync('/tmp/davit-install-script-ran'))
})

t.test('a plugin is off while it is disabled, and on again', async t => {
  const { say, rooms } = await plugins(t)
  await say('plugin:install -', { input: await tarOf(hello('Hello')) })
  t.match(await say('plugin:enable hello'), { code: 0, stdout: /on already/ })
  t.match(await say('plugin:disable hello'), { code: 0, stdout: /hello is off/ })
  t.match(await say('plugin:disable hello'), { code: 0, stdout: /off already/ })
  t.notMatch((await say('apps:create a')).stdout, /Hello/)
  t.match(await say('plugin:list'), { stdout: /^hello .* off /m, stderr: /hello is off: it is disabled/ })
  t.match(
    placesOf(rooms).find(each => each.name === 'hello'),
    { off: 'it is disabled' },
  )
  t.match(await say('plugin:enable hello'), { code: 0, stdout: /hello is on/ })
  t.match(await say('apps:create b'), { stdout: /Hello/ })
  for (const verb of ['enable', 'disable', 'uninstall', 'update', 'report'])
    t.match(await say(`plugin:${verb} nowhere`), { code: 1, stderr: /There is no plugin nowhere/ }, verb)
})

t.test('what a plugin makes of routes comes and goes with it', async t => {
  const { say, told } = await plugins(t)
  await say('apps:create shop')
  await say('domains:add shop shop.test')
  const header = () => (told.findLast(each => (each as Route).app === 'shop') as Route).headers?.['X-Word']
  const shaping = (word: string) =>
    tarOf({
      'index.ts': module(
        'hello',
        `, hooks: { shapeRoute: route => ({ ...route, headers: { 'X-Word': '${word}' } }) }`,
      ),
    })
  await say('plugin:install -', { input: await shaping('one') })
  t.equal(header(), 'one')
  await say('plugin:install -', { input: await shaping('two') })
  t.equal(header(), 'two')
  await say('plugin:disable hello')
  t.equal(header(), undefined)
  await say('plugin:enable hello')
  t.equal(header(), 'two')
  await say('plugin:uninstall hello')
  t.equal(header(), undefined)
})

t.test('a plugin that others need, or apps depend on, is not uninstalled', async t => {
  const { say, rooms, data } = await plugins(t)
  await say('plugin:install -', { input: await tarOf(hello('Hello')) })
  await say('plugin:install -', {
    input: await tarOf({ ...hello('More'), 'plugin.json': manifest('more', { needs: ['hello'] }) }),
  })
  t.match(await say('plugin:uninstall hello'), { code: 1, stderr: /more needs it/ })
  t.match(await say('plugin:disable hello'), { code: 1, stderr: /more needs it/ })
  await say('plugin:uninstall more')
  await say('apps:create a')
  await say('apps:create b')
  rooms.store.dependencies.add('b' as never, 'hello')
  t.match(await say('plugin:uninstall hello'), { code: 1, stderr: /cannot be uninstalled: b depends on it/ })
  t.match(await say('plugin:disable hello'), { code: 0, stderr: /Not deployed until it is back: b/ })
  rooms.store.dependencies.remove('b' as never, 'hello')
  t.match(await say('plugin:uninstall hello'), { code: 0, stdout: /hello is uninstalled/ })
  t.match(await say('plugin:uninstall hello'), { code: 1, stderr: /There is no plugin hello/ })
  t.same(await folders(data), ['hello', 'hello/data', 'more', 'more/data'], 'what it kept is there still')
  t.match(await say('plugin:list'), { code: 0, stdout: /^NAME +VERSION +STATE +ABOUT\n$/ })
  t.match(await say('plugin:update'), { code: 0, stderr: /No plugin was installed from a repository/ })
})

t.test('what a plugin kept stays when it is uninstalled, and goes when it is purged', async t => {
  const keeping = `, commands: [
    {
      name: 'hello:set', about: '', args: { app: appName(), word: text('WORD') },
      run({ app, word }, { core, kv, dir }) {
        kv.set('word', word)
        kv.of(core.apps.get(app)).set('word', word)
        core.config.provide(app, { HELLO: word })
        core.properties.set('hello', app, 'word', word)
        core.properties.set('git', app, 'deploy-branch', word)
        writeFileSync(join(dir, 'word'), word)
        writeFileSync(join(core.served(), 'word'), word)
      },
    },
    {
      name: 'hello:get', about: '', args: { app: appName() },
      run({ app }, { core, kv, dir, out }) {
        const files = [join(dir, 'word'), join(core.served(), 'word')].map(each => existsSync(each))
        out(JSON.stringify([
          kv.get('word'), kv.of(core.apps.get(app)).get('word'), core.config.env(app).HELLO,
          core.properties.get('hello', app, 'word'), core.properties.get('git', app, 'deploy-branch'), ...files,
        ]))
      },
    },
  ], async stop({ dir, kv }) {
    await null
    kv.set('last', 'word')
    writeFileSync(join(dir, 'last'), 'word')
  }`
  const { say, data, rooms } = await plugins(t)
  const input = await tarOf({
    'index.ts': `import { existsSync, writeFileSync } from 'node:fs'
      import { join } from 'node:path'
      import { appName, text } from 'davit/plugin'
      ${module('hello', keeping)}`,
  })
  await say('apps:create shop')
  t.match(await say('plugin:install -', { input }), { code: 0 })
  t.match(await say('hello:set shop Ahoy'), { code: 0 })
  const got = async () => JSON.parse((await say('hello:get shop')).stdout)
  const all = ['Ahoy', 'Ahoy', 'Ahoy', 'Ahoy', 'Ahoy', true, true]
  t.strictSame(await got(), all)

  t.match(await say('plugin:uninstall hello'), { code: 0, stdout: 'hello is uninstalled\n' })
  await say('plugin:install -', { input })
  t.strictSame(await got(), all, 'it finds what it kept')

  t.match(await say('plugin:uninstall hello --purge'), {
    code: 1,
    stderr: /what it kept, for all apps, is lost/,
  })
  t.strictSame(await got(), all)
  t.match(await say('plugin:uninstall hello --purge --force'), {
    code: 0,
    stdout: 'hello is uninstalled, and what it kept is gone\n',
  })
  t.same(await folders(data), [])
  t.notOk(rooms.store.kv.any('hello'), 'also what it wrote down at its end')
  t.equal(rooms.store.plugins.find('hello'), undefined)
  await say('plugin:install -', { input })
  t.strictSame(await got(), [null, null, null, null, 'Ahoy', false, false], "what is Davit's own stays")

  await say('hello:set shop Again')
  await say('plugin:uninstall hello')
  t.match(await say('plugin:uninstall hello --purge --force'), { code: 0 }, 'later too')
  t.same(await folders(data), [])
  for (const name of ['hello', '../static', 'davit', 'nowhere'])
    t.match(await say(`plugin:uninstall ${name} --purge --force`), { code: 1 }, name)
})

t.test('what depends on a plugin keeps it from being purged', async t => {
  const { say, rooms } = await plugins(t)
  await say('plugin:install -', { input: await tarOf(hello('Hello')) })
  await say('apps:create shop')
  rooms.store.dependencies.add('shop' as never, 'hello')
  t.match(await say('plugin:uninstall hello --purge --force'), { code: 1, stderr: /shop depends on it/ })
  t.match(await say('apps:create b'), { stdout: /Hello/ })
})

t.test('a plugin has the name that it is given', async t => {
  const { say } = await plugins(t)
  t.match(await say('plugin:install - --name other', { input: await tarOf(hello('Hello')) }), {
    code: 0,
    stdout: /other is installed/,
  })
  t.match(await say('plugin:install - --name Bad/Name', { input: await tarOf(hello('Hello')) }), {
    code: 1,
    stderr: /cannot be a plugin's name/,
  })
})

t.test('one whose name Davit gives to a plugin of its own by now says so, and can be taken away', async t => {
  const all = desk(t)
  const { say, rooms } = all
  const commit = 'c0ffee'.repeat(7).slice(0, 40)
  const data = join(rooms.settings.data, 'plugins')
  mkdirSync(join(data, 'redirect', commit), { recursive: true })
  rooms.store.plugins.put('redirect', { source: 'https://git.test/r.git', committish: undefined, commit })
  sweepPlugins(rooms)
  await rooms.roster.load(placesOf(rooms), () => all.core)
  const sentence = /the one from https:\/\/git.test\/r.git, at c0ffeec0ff, is not used/
  t.match(await say('plugin:list'), { stdout: /^redirect .* on /m, stderr: sentence })
  t.match(JSON.parse((await say('plugin:report redirect --format json')).stdout), {
    origin: 'davit',
    source: '',
    hides: sentence,
  })
  t.match(await say('plugin:uninstall redirect'), { code: 0 })
  t.notOk(existsSync(join(data, 'redirect', commit)))
  t.match(await say('plugin:list'), { stdout: /^redirect .* on /m, stderr: '' })
  t.match(await say('plugin:uninstall redirect'), { code: 1, stderr: /came with Davit/ })
})

t.test('what was begun and does not count is swept at a start', async t => {
  const { say, rooms, data } = await plugins(t)
  await say('plugin:install -', { input: await tarOf(hello('Hello')) })
  const kept = await folders(data)
  for (const name of ['.new-1/x', `hello/${'a'.repeat(40)}`, 'hello/.source-x', `gone/${'b'.repeat(40)}`])
    mkdirSync(join(data, name), { recursive: true })
  sweepPlugins(rooms)
  t.same(await folders(data), ['gone', ...kept])
})

t.test('plugins are for admins, whatever a plugin allows', async t => {
  const generous = definePlugin({
    name: 'acl',
    about: '',
    api: 1,
    hooks: { findAccess: () => ({ allow: true }) },
  })
  const { say } = await plugins(t, { plugins: [generous] })
  const by = { ...ann, role: 'viewer' } as const
  t.match(await say('apps:list', { by }), { code: 0 })
  for (const line of [
    'plugin:list',
    'plugin:install https://x.test/y',
    'plugin:disable acl',
    'plugin:uninstall acl',
  ])
    t.match(await say(line, { by }), { code: 1, stderr: /ann may not run plugin:/ }, line)
})

t.test('everything is told in the audit and to those who listen', async t => {
  const { say, audit, rooms } = await plugins(t)
  await say('plugin:install -', { input: await tarOf(hello('Hello')) })
  await say('plugin:list')
  t.match(audit(), [{ line: 'plugin:install -', exit: 0 }])
  t.match(await say('plugin:help'), { stdout: /Manage plugins[\s\S]*plugin:install/ })
  t.match(await say('plugin:install --help'), {
    stdout: /Usage: plugin:install URL \[--committish VALUE\] \[--name VALUE\]/,
  })
  await rooms.background.idle()
})

function sayOnCreate(word: string): string {
  return `, hooks: { beforeCreate: (_, { out }) => out('${word}') }`
}

async function plugins(t: Test, options: Parameters<typeof desk>[2] = {}) {
  const all = desk(t, [], options)
  sweepPlugins(all.rooms)
  await all.rooms.roster.load([], name => createCore('0.0.0', all.rooms, name))
  return { ...all, data: join(all.rooms.settings.data, 'plugins') }
}

function inFolder(name: string, files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [`${name}/${path}`, text]))
}

/** A path that ends with `!` is executable. */
async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const packed = tar.pack()
  for (const [path, text] of Object.entries(files))
    packed.entry({ name: path.replace('!', ''), mode: path.endsWith('!') ? 0o755 : 0o644 }, text)
  packed.finalize()
  return Buffer.concat(await Array.fromAsync(packed as unknown as AsyncIterable<Buffer>))
}

async function folders(data: string): Promise<string[]> {
  const entries = await readdir(data, { withFileTypes: true })
  const below = await Promise.all(
    entries.map(async each => (await readdir(join(data, each.name))).map(name => `${each.name}/${name}`)),
  )
  return [...entries.map(each => each.name), ...below.flat()].sort()
}
