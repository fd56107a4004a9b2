import { once } from 'node:events'

import { t } from 'tap'

import { abouts, commands } from '../../src/commands/index.ts'
import { Cancelled, diskFull, HookError, UserError } from '../../src/errors.ts'
import { appName, flag, text, words } from '../../src/plugin/args.ts'
import { type Command, defineCommand } from '../../src/plugin/command.ts'
import { ann } from '../core/workshop.ts'
import { desk, terminal } from './desk.ts'

t.test('a line becomes a command, its words and its exit code', async t => {
  const { say } = desk(t, [
    defineCommand({
      name: 'x:y',
      about: 'X',
      args: { app: appName(), value: text('VALUE') },
      run({ app, value }, { out, by }) {
        out(`${by.person} ${app} ${value}`)
        return 7
      },
    }),
  ])
  t.match(await say(`x:y shop "it's \\"fine\\""`), { code: 7, stdout: `ann shop it's "fine"\n`, stderr: '' })
})

t.test('a line that is no words is told', async t => {
  const { say } = desk(t)
  t.match(await say(`config:set shop 'A`), {
    code: 1,
    stderr: / ! {5}The command ends inside a single quote\./,
  })
})

t.test('an unknown command is told in the words that scripts look for', async t => {
  const { say } = desk(t)
  t.match(await say('bogus:add x'), {
    code: 1,
    stdout: '',
    stderr: ' !     `bogus:add` is not a davit command.\n !     See what there is: help\n',
  })
  for (const name of ['constructor', '__proto__', 'toString:help'])
    t.match(await say(name), { code: 1, stderr: /is not a davit command/ }, name)
})

t.test('what a person can put right is told with its way out and its code', async t => {
  const { say } = desk(t)
  t.match(await say('apps:exists nobody'), {
    code: 20,
    stderr: ' !     App nobody does not exist\n !     See your apps with: apps:list\n',
  })
  t.match(await say('apps:create'), {
    code: 1,
    stderr: ' !     APP is missing.\n !     Usage: apps:create APP\n',
  })
})

t.test('a bug is told by an id that the log has with its stack', async t => {
  const { say, logged } = desk(t, [throwing(() => new TypeError('secret detail'))])
  const { code, stderr } = await say('x:y')
  t.equal(code, 1)
  t.notMatch(stderr, /secret detail/)
  const [, id] = /The log has it under ([0-9a-f]{8})\./.exec(stderr) ?? []
  t.match(logged, [{ level: 50, id, err: { message: 'secret detail', stack: /TypeError/ }, person: 'ann' }])
})

t.test("a plugin's refusal is told as Davit's own; what it cannot explain is told by its name", async t => {
  const reason = new UserError('linked', 'shop is linked to db.', 'Unlink it: postgres:unlink db shop')
  const { say } = desk(t, [throwing(() => new HookError('postgres', 'beforeDestroy', reason))])
  t.match(await say('x:y'), {
    code: 1,
    stderr: ' !     shop is linked to db.\n !     Unlink it: postgres:unlink db shop\n',
  })
  const { say: next } = desk(t, [throwing(() => new HookError('x', 'beforeDestroy', new Error('no')))])
  t.match(await next('x:y'), { code: 1, stderr: ' !     x stopped beforeDestroy: no\n' })
})

t.test('a reason of several lines is marked on each', async t => {
  const { say } = desk(t, [throwing(() => new UserError('x', 'One\ntwo'))])
  t.match(await say('x:y'), { stderr: ' !     One\n !     two\n' })
})

t.test('decoration is left out without a terminal, and when asked to be quiet', async t => {
  const { say } = desk(t, [
    defineCommand({
      name: 'x:y',
      about: 'X',
      run(_, { out }) {
        out.headline('H')
        out.step('S')
        out.detail('D')
        out('plain')
      },
    }),
  ])
  t.equal((await say('x:y')).stdout, '       D\nplain\n')
  t.equal(
    (await say('x:y', { terminal })).stdout,
    '=====> H\r\n-----> S\r\n       D\r\nplain\r\n',
    'a terminal in raw mode gets its returns',
  )
  t.equal((await say('--quiet x:y', { terminal })).stdout, '       D\r\nplain\r\n')
})

t.test('what changes something is kept in the audit with its result; what only looks is not', async t => {
  const { say, audit } = desk(t)
  await say('apps:create shop')
  await say('config:set shop TOKEN=hunter2 --no-restart')
  await say('apps:list')
  await say('config:show shop')
  await say('domains:add shop not_a_host..')
  await say('config:set nobody A=1')
  t.match(audit(), [
    { person: 'ann', key: 'SHA256:ann', line: 'apps:create shop', exit: 0 },
    { line: 'config:set shop TOKEN=*** --no-restart', exit: 0 },
    { line: 'config:set nobody A=***', exit: 20 },
  ])
})

t.test('a command that throws is in the audit as failed', async t => {
  const { say, audit } = desk(t, [throwing(() => new Error('x'))])
  await say('x:y')
  t.match(audit(), [{ line: 'x:y', exit: 1 }])
})

t.test('what cannot be written to the audit is in the log, and a change that was made says so', async t => {
  const { say, rooms, core, logged } = desk(t, [throwing(() => new UserError('x', 'No.'))])
  const full = () => {
    throw diskFull("Davit's data", '/data')
  }
  Object.assign(rooms.store.audit, { end: full })
  t.match(await say('apps:create shop'), {
    code: 1,
    stderr: /It is done, but could not be written to the audit\. The disk that holds Davit's data is full\./,
  })
  t.ok(core.apps.find('shop'))
  t.match(await say('x:y'), { code: 1, stderr: / ! {5}No\.\n$/ })
  t.match(logged, [
    { line: 'apps:create shop', exit: 0, msg: 'the audit could not be written' },
    { line: 'x:y', exit: 1 },
  ])
  Object.assign(rooms.store.audit, { begin: full })
  t.match(await say('apps:create other'), { code: 1, stderr: /The disk that holds Davit's data is full\./ })
  t.notOk(core.apps.find('other'), 'what cannot be written down beforehand is not done')
})

t.test('who may not run a command does not', async t => {
  const { say, audit } = desk(t, [throwing(() => new Error('it ran'))])
  for (const role of ['viewer', 'deployer'] as const) {
    const by = { ...ann, role }
    t.match(await say('x:y', { by }), { code: 1, stderr: /ann may not run x:y/ })
    t.match(await say("git-receive-pack '/shop'", { by }), {
      code: 1,
      stderr: /may not run git-receive-pack/,
    })
  }
  t.strictSame(audit(), [])
})

t.test("git's own commands go to git, with their words", async t => {
  const { say, gits, audit } = desk(t)
  t.match(await say("git-receive-pack '/shop'"), { code: 0 })
  t.match(await say("git-upload-pack 'shop.git'"), { code: 0 })
  t.strictSame(gits, [
    ['git-receive-pack', '/shop'],
    ['git-upload-pack', 'shop.git'],
  ])
  t.equal(audit().length, 2)
  t.match(await say('git-shell x'), { code: 1, stderr: /not a davit command/ })
})

t.test('--force skips the question, before or after the command', async t => {
  for (const line of [
    '--force x:gone shop',
    'x:gone shop --force',
    'x:gone -f shop',
    '-- --force x:gone shop',
  ]) {
    const { say } = desk(t, [gone()])
    t.match(await say(line), { code: 0, stdout: 'gone\n' }, line)
  }
})

t.test('without a terminal and without --force nothing is destroyed', async t => {
  const { say } = desk(t, [gone()])
  t.match(await say('x:gone shop'), {
    code: 1,
    stdout: '',
    stderr:
      ' !     shop goes. Nobody is at a terminal to confirm it.\n !     Add --force to go ahead without being asked.\n',
  })
})

t.test('at a terminal the name is typed back', async t => {
  const { say } = desk(t, [gone()])
  const { code, stdout, stderr } = await say('x:gone shop', { terminal, typed: 'shop\r' })
  t.equal(code, 0)
  t.match(stderr, /shop goes\.\r\n ! {5}To go on, type the name: /)
  t.match(stdout, /shop/, 'keys are echoed')
  t.match(stdout, /gone\r\n$/)
})

t.test('another name, or nothing, changes nothing', async t => {
  for (const typed of ['shopp\r', '\r', 'yes\r', 'SHOP\r']) {
    const { say } = desk(t, [gone()])
    t.match(await say('x:gone shop', { terminal, typed }), {
      code: 1,
      stderr: / ! {5}That is not shop; nothing was changed\.\r\n$/,
    })
  }
})

t.test('Ctrl-C, Ctrl-D and the end of input at the question change nothing, and are no bug', async t => {
  for (const typed of ['\x03', 'sh\x03', '\x04', null]) {
    const { say, logged } = desk(t, [gone()])
    t.match(
      await say('x:gone shop', { terminal, typed }),
      { code: 1, stderr: / ! {5}Nothing was changed\.\r\n$/ },
      JSON.stringify(typed),
    )
    t.strictSame(logged, [])
  }
})

t.test('who leaves at the question changes nothing', async t => {
  const { say } = desk(t, [gone()])
  const leave = new AbortController()
  const said = say('x:gone shop', { terminal, signal: leave.signal })
  setImmediate(() => leave.abort(new Cancelled()))
  t.match(await said, { code: 1 })
})

t.test("a command's signal is the person's", async t => {
  const leave = new AbortController()
  const begun = Promise.withResolvers<void>()
  const { say } = desk(t, [
    defineCommand({
      name: 'x:y',
      about: 'X',
      async run(_, { signal }) {
        begun.resolve()
        await once(signal, 'abort')
        return 130
      },
    }),
  ])
  const said = say('x:y', { signal: leave.signal })
  await begun.promise
  leave.abort()
  t.match(await said, { code: 130 })
})

t.test("a topic's help says what it manages, then its commands; all ways lead to it", async t => {
  const { say } = desk(t)
  const { stdout } = await say('domains:help')
  t.match(stdout, /^Usage: domains\[:COMMAND\]\n\nManage the hostnames that lead to apps\n\nCommands:\n/)
  t.match(stdout, /^ {4}domains:add APP DOMAIN\.\.\. {2,}Lead hostnames to an app$/m)
  for (const line of ['domains --help', 'domains', 'help domains', 'domains -h'])
    t.equal((await say(line)).stdout, stdout, line)
})

t.test("a command's help says what its words and flags mean", async t => {
  const { say } = desk(t)
  const { stdout, code } = await say('config:set --help')
  t.equal(code, 0)
  t.match(
    stdout,
    /^Usage: config:set \(APP\|--global\) KEY=VALUE\.\.\. \[--encoded\] \[--no-restart\]\n\nSet values and bring them live\.\n\n/,
  )
  t.match(stdout, /^ {4}\[--encoded\] +Values are base64$/m)
  t.equal((await say('help config:set')).stdout, stdout)
  t.equal((await say('config:set shop A=1 -h')).stdout, stdout)
  t.match((await say('apps:destroy --help')).stdout, /--force skips that/)
})

t.test('a bare command with a topic of its own shows both', async t => {
  const { say } = desk(t)
  const { stdout } = await say('config --help')
  t.match(stdout, /^Usage: config \(APP\|--global\)(.|\n)*Usage: config\[:COMMAND\](.|\n)*config:unset/)
})

t.test('help asks for no rights, and words after -- are no question', async t => {
  const { say } = desk(t, [
    defineCommand({
      name: 'x:y',
      about: 'X',
      args: { value: text('VALUE') },
      run: ({ value }, { out }) => out(value),
    }),
    defineCommand({
      name: 'x:in',
      about: 'X',
      args: { app: appName(), command: words('COMMAND'), tty: flag('no-tty') },
      run: ({ command }, { out }) => out(command.join(' ')),
    }),
  ])
  t.match(await say('x:y --help', { by: { ...ann, role: 'viewer' } }), {
    code: 0,
    stdout: /^Usage: x:y VALUE/,
  })
  t.equal((await say('x:y -- --help')).stdout, '--help\n')
  t.equal((await say('x:in shop ls --help')).stdout, 'ls --help\n')
  t.equal((await say('x:in --no-tty shop ls -h')).stdout, 'ls -h\n')
  t.match((await say('x:in --help')).stdout, /^Usage: x:in \[--no-tty\] APP COMMAND/)
  t.match((await say('x:in --no-tty --help')).stdout, /^Usage: x:in \[--no-tty\] APP COMMAND/)
})

t.test('help lists the topics, all of it lists the commands', async t => {
  const { say } = desk(t, [
    defineCommand({ name: 'zoo:feed', about: 'Feed the zoo', run: () => undefined }),
    defineCommand({ name: 'secret:x', about: 'X', hidden: true, run: () => undefined }),
  ])
  const { stdout } = await say('help')
  t.match(stdout, /^ {4}apps +Manage apps$/m)
  t.match(stdout, /^ {4}zoo +Feed the zoo$/m)
  t.notMatch(stdout, /secret/)
  t.equal((await say('--help')).stdout, stdout)
  const { stdout: all } = await say('help --all')
  for (const { name } of commands.filter(each => !each.hidden))
    t.match(all, new RegExp(`^    ${name}\\b`, 'm'), name)
})

t.test('without a command the person is greeted', async t => {
  const { say } = desk(t)
  t.match(await say(''), { code: 0, stdout: /^You are ann, admin here, with the key SHA256:ann\./ })
})

t.test('every command has a sentence without its full stop, and every topic one too', async t => {
  for (const { name, about } of commands) t.match(about, /^[A-Z].*[^.]$/, name)
  for (const [topic, about] of abouts) t.match(about, /^[A-Z].*[^.]$/, topic)
  t.equal(new Set(commands.map(each => each.name)).size, commands.length)
})

function throwing(error: () => Error): Command {
  return defineCommand({
    name: 'x:y',
    about: 'X',
    run() {
      throw error()
    },
  })
}

function gone(): Command {
  return defineCommand({
    name: 'x:gone',
    about: 'X',
    args: { app: appName() },
    confirm: ({ app }) => ({ name: app, loses: `${app} goes.` }),
    run: (_, { out }) => out('gone'),
  })
}
