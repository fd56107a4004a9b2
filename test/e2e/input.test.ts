import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import { run, sandbox } from './sandbox.ts'

t.test('bad input gets a clear answer and changes nothing', async t => {
  const box = await sandbox(t)
  await box.ssh('apps:create shop')

  const wrong: readonly (readonly [line: string, code: number, says: RegExp])[] = [
    ['nonsense', 1, /`nonsense` is not a davit command/],
    ['apps:nonsense', 1, /`apps:nonsense` is not a davit command/],
    ['apps:create', 1, /APP is missing[\s\S]*Usage: apps:create APP/],
    ['apps:create shop', 1, /Name is already taken/],
    ['apps:create Shop_1', 1, /cannot be an app's name/],
    ['apps:create postgres', 1, /kind of service/],
    ['apps:create a b', 1, /one word too many/],
    ['apps:list --colour', 1, /--colour is no flag of apps:list/],
    ['apps:list --format xml', 1, /not one of: stdout, json/],
    ['config:set nope A=1', 20, /App nope does not exist/],
    ['config:set shop A', 1, /not KEY=VALUE/],
    ['config:set shop 1A=x', 1, /cannot be a config key/],
    ['config:show', 1, /APP or --global is missing/],
    ['logs nope', 20, /App nope does not exist/],
    ['logs ../etc', 20, /App \.\.\/etc does not exist/],
    ['run shop ls', 1, /never deployed/],
    ['run shop', 1, /COMMAND is missing/],
    ['releases:rollback shop', 1, /no release to go back to/],
    ['ps:set shop colour blue', 1, /valid properties include: stop-timeout-seconds/],
    ['git:set shop deploy-branch ../x', 1, /cannot be a branch/],
    ['git:report shop --git-colour', 1, /Invalid flag passed, valid flags: /],
    ["config:set shop A='x", 1, /quote/],
    ['--nonsense apps:list', 1, /no global flag/],
  ]
  for (const [line, code, says] of wrong) {
    t.test(line, async t => {
      const result = await box.ssh(line)
      t.match(result, { code, stdout: '', stderr: says })
      t.match(result.stderr, /^ ! {5}\S/)
    })
  }

  t.test('a key that is no key is refused, and so are a taken name and a known key', async t => {
    t.match(await box.ssh('ssh-keys:add bob', { input: 'hello\n' }), { code: 1, stderr: /!/ })
    t.match(await box.ssh('ssh-keys:add bob', { input: '' }), { code: 1 })
    const own = await readFile(join(box.dir, 'key.pub'), 'utf8')
    t.match(await box.ssh('ssh-keys:add bob', { input: own }), { code: 1 })
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(box.dir, 'bob')])
    const bobs = await readFile(join(box.dir, 'bob.pub'), 'utf8')
    t.match(await box.ssh('ssh-keys:add ann', { input: bobs }), { code: 1, stderr: /taken/ })
    t.match(await box.ssh('ssh-keys:add bob', { input: bobs }), { code: 0, stdout: /^SHA256:/ })
    t.match((await box.ssh('ssh-keys:list')).stdout, /NAME="bob"/)
    t.match(await box.ssh('ssh-keys:remove bob'), { code: 0 })
    t.match(await box.ssh('ssh-keys:remove ann'), { code: 1, stderr: /last key/ })
    t.match(await box.ssh('ssh-keys:remove nobody'), { code: 1, stderr: /No such key/ })
  })

  t.test('ssh alone says who you are and what to type; help helps', async t => {
    t.match((await box.ssh('')).stdout, /You are ann, admin here/)
    t.match((await box.ssh('help')).stdout, /apps +Manage apps/)
    t.match((await box.ssh('help --all')).stdout, /apps:create APP/)
    const { stdout: topics } = await box.ssh('help')
    for (const [, topic] of topics.matchAll(/^ {4}(\S+) /gm)) {
      t.match(await box.ssh(`help ${topic}`), { code: 0, stdout: /^Usage: / }, `help ${topic}`)
    }
    t.match((await box.ssh('apps:help')).stdout, /Manage apps/)
    t.match((await box.ssh('apps')).stdout, /Manage apps/)
    t.match((await box.ssh('apps:create --help')).stdout, /Usage: apps:create APP/)
    t.match((await box.ssh('--version')).stdout, /^davit version \d/)
  })

  t.test('global flags stand before the command', async t => {
    t.match(await box.ssh('--app shop config:show'), { code: 0 })
    t.match(await box.ssh('--quiet apps:list'), { code: 0, stdout: 'shop\n' })
    t.match(await box.ssh('apps:list --format json'), { code: 0, stdout: '["shop"]\n' })
    t.match(await box.ssh('--force apps:destroy shop'), { code: 0 })
    t.match(await box.ssh('apps:list'), {
      code: 0,
      stdout: '',
      stderr: /haven't deployed any applications yet/,
    })
    t.match(await box.ssh('apps:list --format json'), { code: 0, stdout: '[]\n' })
  })

  t.test('secrets are in no argument list, log or audit', async t => {
    await box.ssh('apps:create vault')
    await box.ssh('config:set vault TOKEN=tide-4711')
    const { stdout: processes } = await run('ps', ['-eo', 'args'])
    t.notMatch(processes, /tide-4711/)
    for (const file of ['davit.db', 'davit.db-wal'])
      t.notOk((await readFile(join(box.dir, 'data', file))).includes('tide-4711'), file)
  })
})
