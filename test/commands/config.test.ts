import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import { desk } from '../cli/desk.ts'
import { calling, shop } from '../core/workshop.ts'

const values = { A: '1', QUOTE: `it's "fine" $HOME`, LINES: 'one\ntwo' }

t.test('config:export writes each form as Dokku does', async t => {
  const { say, core } = desk(t)
  await core.apps.create(shop, calling())
  for (const format of ['exports', 'envfile', 'shell', 'docker-args', 'pretty'])
    t.match(await say(`config:export shop --format ${format}`), { code: 0, stdout: '' }, format)
  t.equal((await say('config:export shop --format json')).stdout, '{}\n')
  t.equal((await say('config:export shop --format json-list')).stdout, '[]\n')
  await core.config.change(undefined, { set: { HOST: 'h' }, restart: false }, calling())
  await core.config.change(shop, { set: { B: `it's`, A: 'x y' }, restart: false }, calling())
  const line = `A='x y' B='it'\\''s'\n`
  const exported = `export A='x y'\nexport B='it'\\''s'\n`
  const forms = [
    ['exports', exported],
    ['envfile', 'A="x y"\nB="it\'s"\n'],
    ['docker-args', `--env=A='x y' --env=B='it'\\''s'\n`],
    ['docker-args-keys', '--env=A --env=B\n'],
    ['shell', line],
    ['pretty', `A:  x y\nB:  it's\n`],
    ['json', `{"A":"x y","B":"it's"}\n`],
    ['json-list', `[{"name":"A","value":"x y"},{"name":"B","value":"it's"}]\n`],
  ] as const
  for (const [format, stdout] of forms)
    t.strictSame(await say(`config:export --format ${format} shop`), { code: 0, stdout, stderr: '' }, format)
  t.equal((await say('config:export shop')).stdout, exported, 'for a shell unless told')
  t.equal((await say('config:export --global')).stdout, `export HOST='h'\n`)
  t.equal(
    (await say('config:export --merged --format docker-args-keys shop')).stdout,
    '--env=A --env=B --env=HOST\n',
  )
  t.match(await say('config:export shop --format yaml'), { code: 1, stderr: /not one of: exports, envfile/ })
  t.match(await say('config:export nope'), { code: 20 })
})

t.test('what is exported for a shell means the same to a shell', async t => {
  const { say, core } = desk(t)
  await core.apps.create(shop, calling())
  await core.config.change(shop, { set: values, restart: false }, calling())
  const { stdout } = await say('config:export shop')
  const env = execFileSync('sh', ['-c', `${stdout}\nenv -0`], { env: {}, encoding: 'utf8' }).split('\0')
  for (const [key, value] of Object.entries(values)) t.ok(env.includes(`${key}=${value}`), key)
})

t.test('config:import takes what config:export wrote, and values as long as any', async t => {
  const { say, core } = desk(t)
  await core.apps.create(shop, calling())
  const all = { ...values, LONG: 'x'.repeat(131_000) }
  await core.config.change(shop, { set: all, restart: false }, calling())
  for (const format of ['envfile', 'json']) {
    const input = (await say(`config:export --format ${format} shop`)).stdout
    t.match(await say('config:clear shop'), { code: 0 })
    t.strictSame(core.config.env(shop), {})
    const imported = await say(`config:import --format ${format} shop -`, { input })
    t.strictSame(imported, {
      code: 0,
      stdout: '       A:  ***\n       LINES:  ***\n       LONG:  ***\n       QUOTE:  ***\n',
      stderr: '',
    })
    t.same(core.config.env(shop), all, format)
  }
  const input = (await say('config:export --format json-list shop')).stdout
  await say('config:clear shop')
  await say('config:import --format json shop', { input })
  t.same(core.config.env(shop), all)
})

t.test('config:import leaves what it does not name, unless told to replace it', async t => {
  const { say, core, rooms } = desk(t)
  await core.apps.create(shop, calling())
  await say('config:set shop A=1 B=1')
  rooms.store.config.change(shop, { set: { DATABASE_URL: 'postgres://x' }, owner: 'postgres' })
  t.match(await say('config:import shop', { input: 'B=2\nC=2\n' }), { code: 0 })
  t.same(core.config.env(shop), { A: '1', B: '2', C: '2', DATABASE_URL: 'postgres://x' })
  t.match(await say('config:import --replace shop', { input: 'C=3' }), { code: 0 })
  t.same(core.config.env(shop), { C: '3', DATABASE_URL: 'postgres://x' })
  t.match(await say('config:clear shop'), { code: 0 })
  t.same(
    core.config.env(shop),
    { DATABASE_URL: 'postgres://x' },
    "what a plugin provides is not a person's to clear",
  )
  t.match(await say('config:import shop', { input: 'DATABASE_URL=x' }), {
    code: 1,
    stderr: /provided by postgres/,
  })
  t.match(await say('config:import --global', { input: 'ALL=1' }), { code: 0 })
  t.equal((await say('config:get --global ALL')).stdout, '1\n')
})

t.test('what cannot be imported changes nothing, and no value gets into words or the audit', async t => {
  const { say, core, audit } = desk(t)
  await core.apps.create(shop, calling())
  await say('config:set shop A=1')
  const wrong: readonly [line: string, input: string, says: RegExp][] = [
    ['config:import shop', 'B=hunter2\nhunter2', /Line 2 is not KEY=VALUE; nothing was changed/],
    ['config:import shop', '', /No config came in[\s\S]*config:import shop < FILE/],
    ['config:import --format json shop', 'B=hunter2', /It is no JSON/],
    ['config:import --format yaml shop', 'B: hunter2', /not one of: envfile, json/],
    [
      'config:import shop',
      `B=${'hunter2'.repeat(20_000)}`,
      /B is too long for an environment variable: with its key 140002 bytes/,
    ],
    ['config:import shop', 'B=hunter2\0', /value of B has a NUL byte/],
  ]
  for (const [line, input, stderr] of wrong) {
    const said = await say(line, { input })
    t.match(said, { code: 1, stderr })
    t.notMatch(`${said.stdout}${said.stderr}`, 'hunter2')
  }
  t.same(core.config.env(shop), { A: '1' })
  t.match(await say('config:import nope', { input: 'A=1' }), { code: 20 })
  t.match(await say('config:import shop', { input: 'B=hunter2' }), { code: 0 })
  t.notMatch(JSON.stringify(audit()), 'hunter2')
  t.match(audit().at(-1), { line: 'config:import shop', exit: 0 })
})

t.test('on the host itself a file may be named', async t => {
  const { say, core } = desk(t)
  await core.apps.create(shop, calling())
  const file = join(t.testdir(), 'env')
  await writeFile(file, 'A=from a file\n')
  t.match(await say(`config:import shop ${file}`, { local: true }), { code: 0 })
  t.same(core.config.env(shop), { A: 'from a file' })
  t.match(await say(`config:import shop ${file}`), { code: 1, stderr: /on the host itself only/ })
})

t.test('config:bundle is a tar with a file for each key', async t => {
  const { say, core } = desk(t)
  await core.apps.create(shop, calling())
  await core.config.change(undefined, { set: { HOST: 'h' }, restart: false }, calling())
  await core.config.change(shop, { set: values, restart: false }, calling())
  const list = (input: string) => execFileSync('tar', ['-t'], { input, encoding: 'utf8' })
  const { code, stdout } = await say('config:bundle shop')
  t.equal(code, 0)
  t.equal(list(stdout), 'A\nLINES\nQUOTE\n')
  t.equal(execFileSync('tar', ['-xO', 'QUOTE'], { input: stdout, encoding: 'utf8' }), values.QUOTE)
  t.equal(list((await say('config:bundle --merged shop')).stdout), 'A\nHOST\nLINES\nQUOTE\n')
})
