import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import { type Test, t } from 'tap'
import tar from 'tar-stream'

import { createDriver } from '../../src/plugin/driver.ts'
import { findFence } from '../../src/plugin/fence.ts'
import type { ReleaseEvent } from '../../src/plugin/hooks.ts'
import { root } from '../../src/settings.ts'
import type { AppName, Source } from '../../src/types.ts'
import { calling, shop } from '../core/workshop.ts'
import { executables, rostered } from './rostered.ts'

const app = { id: 41, name: shop, createdAt: new Date(0), retired: false }
const released = { app, process: 'web' } as ReleaseEvent & { process: string }

t.test('a program gets the hook, the event and the value as JSON, and answers with a patch', async t => {
  const { driver, dir } = await plugin(t, {
    'hooks/shapeEnv': sh('cat > got; echo \'{"CACHE_URL": "redis://x", "DEBUG": null}\''),
  })
  t.strictSame(await driver.shapeEnv({ DEBUG: '1', A: 'b' }, released, calling()), {
    A: 'b',
    CACHE_URL: 'redis://x',
  })
  t.match(JSON.parse(await readFile(join(dir, 'got'), 'utf8')), {
    hook: 'shapeEnv',
    event: { app: { name: 'shop' }, process: 'web' },
    value: { DEBUG: '1', A: 'b' },
  })
})

t.test('it may stop reading early, and say nothing', async t => {
  const { driver } = await plugin(t, { 'hooks/shapeEnv': sh('exit 0') })
  const env = { A: 'x'.repeat(1 << 20) }
  t.strictSame(await driver.shapeEnv(env, released, calling()), env)
})

t.test('secrets are on stdin alone, and the environment is clean', async t => {
  const { driver, dir } = await plugin(t, {
    'hooks/shapeEnv': sh('cat >/dev/null; env > env; tr "\\0" " " < /proc/$$/cmdline > argv'),
  })
  process.env.DAVIT_TEST_SECRET = 'hush'
  t.teardown(() => Reflect.deleteProperty(process.env, 'DAVIT_TEST_SECRET'))
  await driver.shapeEnv({ PASSWORD: 'hush' }, released, calling())
  const env = await readFile(join(dir, 'env'), 'utf8')
  t.notMatch(env + (await readFile(join(dir, 'argv'), 'utf8')), /hush/)
  t.match(env, /^DAVIT_HOOK=shapeEnv$/m)
  t.match(env, /^DAVIT_APP=shop$/m)
  t.match(env, /^DAVIT_APP_ID=41$/m)
  t.match(env, new RegExp(`^HOME=${dir}$`, 'm'))
})

t.test('an app is told by its name and by a number that outlives the name, where it is one', async t => {
  const ids = 'echo "$DAVIT_APP $DAVIT_APP_ID"'
  const { driver, members } = await plugin(
    t,
    { 'hooks/afterRename': sh(ids), 'hooks/afterEvent': sh(ids), 'commands/mine:say': sh(`cat; ${ids}`) },
    { commands: { 'mine:say': { args: [{ name: 'app', kind: 'app' }] } } },
  )
  const call = calling()
  await driver.afterRename({ app: { ...app, name: 'shed' as AppName }, was: 'shop' }, call)
  const event = { at: new Date(), kind: 'released', level: 'info', by: 'ann', text: '', data: {} } as const
  for (const name of ['shop', 'gone', undefined])
    await driver.afterEvent({ ...event, app: name as AppName | undefined }, call)
  t.strictSame(call.lines, ['       shed 41', '       shop 41', '       gone'])

  const [{ plugin: mine, context }] = members() as [ReturnType<typeof members>[0]]
  const say = async (name: string) => {
    const session = { stdin: new PassThrough(), terminal: undefined } as never
    const typed = calling()
    await mine.commands![0]!.run({ app: name }, { ...context, ...typed, session })
    return typed.lines
  }
  const [asked, printed] = await say('shop')
  t.match(JSON.parse(asked!), { args: { app: 'shop' }, app: { id: 41, name: 'shop' } })
  t.equal(printed, 'shop 41')
  await t.rejects(
    say('nowhere'),
    { code: 'app-missing', exit: 20 },
    'no program is asked about an app that is not there',
  )
})

t.test('find is answered with JSON, and nothing said is no answer', async t => {
  const { driver } = await plugin(t, {
    'hooks/findBuilder': sh('cat >/dev/null; echo \'{"name": "mine", "dockerfile": "FROM scratch"}\''),
    'hooks/findCertificate': sh('cat >/dev/null'),
  })
  t.strictSame(await driver.findBuilder({ app, source: {} as Source }, calling()), {
    name: 'mine',
    dockerfile: 'FROM scratch',
  })
  t.equal(await driver.findCertificate({ app, hostname: 'x.test' }, calling()), undefined)
})

t.test('what it prints otherwise are lines for the person', async t => {
  const { driver } = await plugin(t, { 'hooks/beforeRelease': sh('echo One; echo; echo Two') })
  const call = calling()
  await driver.beforeRelease(released, call)
  t.strictSame(call.lines, ['       One', '       Two'])
})

t.test('it stops with what it says on stderr, and reports for after', async t => {
  const { driver } = await plugin(t, {
    'hooks/beforeRelease': sh('echo "No deploys on Fridays." >&2; exit 3'),
    'hooks/afterRelease': sh('echo "Nobody listens." >&2; exit 1'),
    'hooks/beforeCreate': sh('echo "Who reads this?"; exit 7'),
    'hooks/beforeDestroy': sh('kill -KILL $$'),
  })
  await t.rejects(driver.beforeRelease(released, calling()), {
    plugin: 'mine',
    cause: { name: 'UserError', message: 'No deploys on Fridays.', hint: 'The plugin mine says so.' },
  })
  const creating = calling()
  await t.rejects(driver.beforeCreate({ app }, creating), {
    message: 'mine stopped beforeCreate: it ended with exit code 7 and gave no reason on stderr',
  })
  t.strictSame(creating.lines, ['       Who reads this?'], 'what it said on the other stream is shown')
  await t.rejects(driver.beforeDestroy({ app }, calling()), { message: /exit code 137/ })
  const call = calling()
  await driver.afterRelease(released, call)
  t.match(call.lines.join('\n'), /Nobody listens/)
})

t.test(
  'a bug of a program is told as one, with its place in the plugin; what it says itself is its word',
  async t => {
    const python = (script: string) => `#!/usr/bin/env python3\n${script}\n`
    const { driver } = await plugin(t, {
      'hooks/beforeCreate': python('import os\ndef ask():\n    return os.environ["NO_SUCH"]\nask()'),
      'hooks/beforeDestroy': sh('\nset -u\necho $NO_SUCH'),
      'hooks/beforeBuild': `#!/bin/bash\n\nno-such-command || exit 3\n`,
      'hooks/beforeRelease': sh('echo "Ask $0 again on Monday." >&2; exit 1'),
      'hooks/afterCreate': `#!/usr/bin/env node\n\nconst a = undefined\na.b()\n`,
      'hooks/afterDestroy': python('def (:'),
    })
    const { source } = { source: {} as Source }
    await t.rejects(driver.beforeCreate({ app }, calling()), {
      message: "mine stopped beforeCreate: KeyError: 'NO_SUCH' (hooks/beforeCreate:4)",
    })
    await t.rejects(driver.beforeDestroy({ app }, calling()), {
      message: /^mine stopped beforeDestroy: NO_SUCH: parameter not set \(hooks\/beforeDestroy:4\)$/,
    })
    await t.rejects(driver.beforeBuild({ app, source }, calling()), {
      message: 'mine stopped beforeBuild: no-such-command: command not found (hooks/beforeBuild:3)',
    })
    await t.rejects(driver.beforeRelease(released, calling()), {
      cause: { name: 'UserError', message: 'Ask hooks/beforeRelease again on Monday.' },
    })
    const call = calling()
    await driver.afterCreate({ app }, call)
    t.match(call.lines, [/TypeError: Cannot read properties of undefined .* \(hooks\/afterCreate:4\)/])
    const other = calling()
    await driver.afterDestroy({ app }, other)
    t.match(other.lines, [/SyntaxError: invalid syntax \(hooks\/afterDestroy:2\)/])
  },
)

t.test('what a command says of its own files it says by their names in the plugin', async t => {
  const { members } = await plugin(t, { 'commands/mine:say': sh('echo "$0: line 2: no luck" >&2; exit 1') })
  const [{ plugin: mine, context }] = members() as [ReturnType<typeof members>[0]]
  const call = calling()
  const session = { stdin: new PassThrough(), terminal: undefined } as never
  t.equal(await mine.commands![0]!.run({}, { ...context, ...call, session }), 1)
  t.strictSame(call.lines, [' !     commands/mine:say: line 2: no luck'])
})

t.test('an answer that is no answer stops, and says what is wrong with it', async t => {
  for (const [answer, reason] of [
    ['garbage', /its answer is no JSON/],
    ['[]', /no patch of the value/],
    ['"text"', /no patch of the value/],
    ['{"PORT": 5000}', /its answer has no string under "PORT"/],
    ['{"A": {"b": "c"}}', /no string under "A"/],
  ] as const) {
    const { driver } = await plugin(t, { 'hooks/shapeEnv': sh(`echo '${answer}'`) })
    await t.rejects(driver.shapeEnv({}, released, calling()), { message: reason }, answer)
  }
  const { driver } = await plugin(t, { 'hooks/findBuilder': sh(`echo '{"dockerfile": "FROM x"}'`) })
  await t.rejects(driver.findBuilder({ app, source: {} as Source }, calling()), {
    message: /its answer has no text under "name"/,
  })
})

t.test('one that prints without end is ended', async t => {
  const { driver } = await plugin(t, {
    'hooks/shapeEnv': sh('echo $$ > pid; exec cat /dev/zero'),
    'hooks/beforeCreate': sh('yes'),
  })
  await t.rejects(driver.shapeEnv({}, released, calling()), { message: /printed more than 1 MB/ })
  await t.rejects(driver.beforeCreate({ app }, calling()), { message: /printed more than 1 MB/ })
})

/** With a process namespace for each program, and as it is where there is none. */
const grounds = { fenced: executables, 'in its group alone': { ...executables, fence: undefined } }

for (const [ground, tools] of Object.entries(grounds)) {
  const fenced = tools.fence !== undefined
  const skip = ground === 'fenced' && !fenced ? 'this host gives programs no process namespace' : false

  t.test(`one that never ends is ended with all it started, ${ground}`, { skip }, async t => {
    const [one, two] = [marker(), marker()]
    const { driver } = await plugin(
      t,
      { 'hooks/beforeCreate': sh(`trap "" TERM; sleep ${one} & sleep ${two} & while :; do wait; done`) },
      { hooks: { beforeCreate: { timeoutMs: 500 } } },
      tools,
    )
    const creating = driver.beforeCreate({ app }, calling())
    await until(async () => (await lives(one)) && (await lives(two)))
    await t.rejects(creating, { message: /did not answer within 0.5 s/ })
    await until(async () => !(await lives(one)) && !(await lives(two)))
  })

  t.test(`a cancel ends it, ${ground}`, { skip }, async t => {
    const mark = marker()
    const { driver } = await plugin(t, { 'hooks/beforeCreate': sh(`exec sleep ${mark}`) }, {}, tools)
    const cancel = new AbortController()
    const creating = driver.beforeCreate({ app }, calling({ signal: cancel.signal }))
    await until(() => lives(mark))
    cancel.abort()
    await t.rejects(creating, { code: 'cancelled' })
    await until(async () => !(await lives(mark)))
  })

  t.test(`what it leaves running does not hold anybody up, and is ended, ${ground}`, { skip }, async t => {
    const mark = marker()
    const { driver } = await plugin(t, { 'hooks/beforeCreate': sh(`sleep ${mark} & echo done`) }, {}, tools)
    const call = calling()
    await driver.beforeCreate({ app }, call)
    t.strictSame(call.lines, ['       done'])
    await until(async () => !(await lives(mark)))
  })

  t.test(`what makes a session of its own is ended with it, ${ground}`, { skip }, async t => {
    const mark = marker()
    // Without a namespace it has to have been seen while its parent was there.
    const { driver } = await plugin(
      t,
      { 'hooks/beforeCreate': sh(`setsid sleep ${mark} >/dev/null 2>&1 & sleep ${fenced ? 0 : 1}`) },
      {},
      tools,
    )
    await driver.beforeCreate({ app }, calling())
    await until(async () => !(await lives(mark)))
  })

  t.test(`one that takes two gigabytes is ended, ${ground}`, { skip }, async t => {
    const { driver } = await plugin(
      t,
      { 'hooks/beforeCreate': sh(`exec python3 -c 'b = b"x" * (2 << 30); print(len(b))'`) },
      {},
      tools,
    )
    await t.rejects(driver.beforeCreate({ app }, calling()), { message: /MemoryError/ })
  })

  t.test(`one that takes them in many processes is ended, ${ground}`, { skip }, async t => {
    const mark = marker()
    const one = `python3 -c 'import sys, time; b = b"x" * (150 << 20); time.sleep(float(sys.argv[1]))' ${mark}`
    const { driver } = await plugin(
      t,
      { 'hooks/beforeCreate': sh(`for each in 1 2 3 4 5 6 7 8 9 10; do ${one} & done; wait`) },
      {},
      tools,
    )
    await t.rejects(driver.beforeCreate({ app }, calling()), {
      message: /it took more than 1024 MB of memory/,
    })
    await until(async () => !(await lives(mark)))
  })

  t.test(`one that forks without end is ended, ${ground}`, { skip }, async t => {
    const mark = marker()
    const { driver } = await plugin(
      t,
      { 'hooks/beforeCreate': sh(`while :; do sleep ${mark} & sleep 0.002; done`) },
      {},
      tools,
    )
    await t.rejects(driver.beforeCreate({ app }, calling()), { message: /it ran more than 256 processes/ })
    await until(async () => !(await lives(mark)))
  })
}

t.test(
  'as a user of its own it cannot have more processes than it may',
  { skip: process.getuid?.() !== 0 },
  async t => {
    const user = { uid: 54399, gid: 54399 }
    const tools = { ...executables, user, fence: findFence(user, executables.env) }
    t.ok(tools.fence, 'anybody may have a namespace here')
    const mark = marker()
    const { driver } = await plugin(
      t,
      { 'hooks/beforeCreate': sh(`i=0; while [ $i -lt 400 ]; do sleep ${mark} & i=$((i + 1)); done; wait`) },
      {},
      tools,
    )
    await t.rejects(driver.beforeCreate({ app }, calling()), { message: /[Ff]ork|more than 256 processes/ })
    await until(async () => !(await lives(mark)))
  },
)

t.test('a source is a copy to read, made for as long as the program runs', async t => {
  const { driver, dir } = await plugin(t, {
    'hooks/beforeBuild': sh(
      `dir=$(sed 's/.*"dir":"\\([^"]*\\)".*/\\1/'); echo $dir > dir; cat "$dir/a/b.txt"; ls "$dir"; test -x "$dir/run"`,
    ),
  })
  const packed = tar.pack()
  packed.entry({ name: 'a/b.txt' }, 'hello\n')
  packed.entry({ name: 'run', mode: 0o755 }, '#!/bin/sh\n')
  packed.entry({ name: 'link', type: 'symlink', linkname: '/etc/passwd' })
  packed.finalize()
  const source = {
    revision: 'abc',
    branch: 'main',
    archive: () => Readable.from(packed),
  } as unknown as Source
  const call = calling()
  await driver.beforeBuild({ app, source }, call)
  t.strictSame(call.lines, ['       hello', '       a', '       run'])
  t.notOk(existsSync((await readFile(join(dir, 'dir'), 'utf8')).trim()))
})

t.test(
  'a command gets its arguments as JSON, its lines come as they are printed, and its exit code is kept',
  async t => {
    const { members } = await plugin(
      t,
      { 'commands/mine:say': sh('read -r line; echo "$line"; cat; echo oops >&2; exit 4') },
      {
        commands: {
          'mine:say': {
            about: 'Say something',
            args: [
              { name: 'app', kind: 'app' },
              { name: 'words', many: true, about: 'What to say' },
              { name: 'loud', kind: 'flag' },
            ],
            input: true,
            reads: true,
          },
        },
      },
    )
    const [command] = members()[0]!.plugin.commands!
    t.match(command, { name: 'mine:say', about: 'Say something', reads: true })
    t.match(Object.values(command!.args!), [
      { label: 'APP' },
      { label: 'WORDS', place: 'many' },
      { label: 'loud' },
    ])
    const call = calling()
    const stdin = new PassThrough()
    stdin.end('from the person\n')
    const exit = await command!.run(
      { app: 'shop', words: ['a', 'b'], loud: true },
      { ...members()[0]!.context, ...call, session: { stdin, terminal: undefined } as never },
    )
    t.equal(exit, 4)
    t.match(JSON.parse(call.lines[0]!), {
      command: 'mine:say',
      args: { app: 'shop', words: ['a', 'b'], loud: true },
      by: { person: 'ann' },
    })
    t.strictSame(call.lines.slice(1), ['from the person', ' !     oops'])
  },
)

t.test('a command that reads nothing does not wait for the end of input', async t => {
  const { members } = await plugin(
    t,
    { 'commands/mine:say': sh('echo hello') },
    { commands: { 'mine:say': { input: true } } },
  )
  const call = calling()
  await members()[0]!.plugin.commands![0]!.run(
    {},
    {
      ...members()[0]!.context,
      ...call,
      session: { stdin: new PassThrough(), terminal: undefined } as never,
    },
  )
  t.strictSame(call.lines, ['hello'])
})

t.test('a folder that is no plugin is refused, by name and reason, with what may stand there', async t => {
  const one = { 'hooks/beforeCreate': sh(''), 'commands/a:b': sh('') }
  const say = (command: object) => ({ commands: { 'a:b': command } })
  for (const [files, more, reason] of [
    [
      { 'hooks/beforeRelese.py': sh('') },
      {},
      /listens to beforeRelese\.py, which is no hook \(did you mean beforeRelease\?\): there are beforeCreate, /,
    ],
    [{}, { hooks: { beforRelease: {} } }, /did you mean beforeRelease\?/],
    [
      { ...one, 'hook/beforeBuild': sh('') },
      {},
      /it has a folder hook, where nothing is looked for: there are hooks and commands/,
    ],
    [{}, {}, /it has no programs: they lie in hooks\/HOOK and commands\/TOPIC:VERB/],
    [{}, { api: 2, wants: [] }, /it is for api 2; this Davit speaks api 1/],
    [one, { api: 'one' }, /"api" of plugin.json is "one"; it has to be the number 1/],
    [one, { name: undefined }, /plugin.json has no "name", which has to be a text/],
    [one, { needs: 'x' }, /"needs" of plugin.json is "x"; it has to be a list of names/],
    [one, { needs: ['x'] }, /it needs x, which is not there/],
    [
      one,
      { comands: {} },
      /plugin.json has a key "comands" that means nothing \(did you mean commands\?\): its keys are name, about, api, needs, hooks, commands/,
    ],
    [
      {},
      { commands: { 'a:b': {} } },
      /describes a:b, but there is no commands\/a:b: in commands there is nothing/,
    ],
    [one, { hooks: { beforeBuild: {} } }, /no hooks\/beforeBuild: in hooks there is beforeCreate/],
    [one, { hooks: { beforeCreate: { order: 'first' } } }, /is "first"; it has to be "early" or "late"/],
    [one, { hooks: { beforeCreate: { timeout: 5 } } }, /a key "timeout" .*did you mean timeoutMs\?/],
    [
      one,
      { hooks: { beforeCreate: { timeoutMs: -1 } } },
      /is -1; it has to be a whole number of milliseconds/,
    ],
    [
      one,
      { hooks: { beforeCreate: 'late' } },
      /hooks\["beforeCreate"\] of plugin.json is "late"; it has to be an object/,
    ],
    [
      one,
      say({ reads: 'yes' }),
      /"reads" of commands\["a:b"\] of plugin.json is "yes"; it has to be true or false/,
    ],
    [
      one,
      say({ arguments: [] }),
      /a key "arguments" that means nothing.*: its keys are about, args, reads, input, redeploys, timeoutMs/,
    ],
    [one, say({ args: {} }), /"args" of commands\["a:b"\] of plugin.json is {}; it has to be a list/],
    [
      one,
      say({ args: [{ name: 'x', kind: 'y' }] }),
      /"kind" of .*args\[0\].* is "y"; it has to be app, text, flag or option/,
    ],
    [one, say({ args: [{ name: 'X' }] }), /"name" of .* is "X"; it has to be lower-case letters/],
    [
      one,
      say({ args: [{ name: 'x', kind: 'flag', many: true }] }),
      /\(kind flag\) has a key "many" that means nothing/,
    ],
    [one, say({ args: [{ name: 'x' }, { name: 'x' }] }), /args\[1\] is called x, as one before it is/],
    [
      one,
      say({ args: [{ name: 'x', many: true }, { name: 'y' }] }),
      /args\[1\] would never get a word: X before it takes all/,
    ],
    [
      one,
      say({ args: [{ name: 'x', optional: true }, { name: 'y' }] }),
      /args\[1\] follows an optional word/,
    ],
    [one, say({ redeploys: true }), /redeploys, but has no app to redeploy/],
    [
      { 'hooks/beforeCreate': '#!/usr/bin/env no-such-language\n' },
      {},
      /hooks\/beforeCreate is to be run by no-such-language, which is not on this host/,
    ],
    [
      { 'hooks/beforeCreate': '#!/no/such/sh\n' },
      {},
      /is to be run by "\/no\/such\/sh", which is not on this host/,
    ],
    [
      { 'hooks/beforeCreate': '#!/bin/sh\r\necho\r\n' },
      {},
      /hooks\/beforeCreate has lines that end as on Windows/,
    ],
    [{ ...one, 'commands/A B': sh('') }, {}, /a command called "A B", which nobody could type/],
  ] as const) {
    const { refused } = await plugin(t, files, more)
    t.match(refused(), [{ name: 'mine', reason }])
  }
  const folder = await folderOf(t, {}, {})
  await mkdir(join(folder, 'mine/hooks'))
  await writeFile(join(folder, 'mine/hooks/beforeCreate'), '#!/bin/sh\n')
  const { refused } = await rostered(t, [folder], { data: await ownFolder(t) })
  t.match(refused(), [{ reason: /not executable: chmod \+x hooks\/beforeCreate/ }])
})

t.test('a plugin.json that is no JSON is refused with the line', async t => {
  for (const [text, reason] of [
    ['{\n  "name": "mine",\n}\n', /no JSON: Expected double-quoted property name \(plugin\.json:3\)/],
    ['{\n  "name": "mine"\n  "api": 1\n}', /Expected ',' or '}' after property value \(plugin\.json:3\)/],
    ['{\n  "name": "mine",\n  "needs": [\n    "a",\n  ]\n}\n', /Unexpected token '\]' \(plugin\.json:5\)/],
    ["{\n  // Mine\n  'name': 'mine'\n}\n", /\(plugin\.json:2\)/],
    ['{\n  "api": True\n}\n', /Unexpected token 'T' \(plugin\.json:2\)/],
    ['{\n  "api": 1\n', /after property value \(plugin\.json:3\)/],
    ['[]', /plugin\.json is \[\]; it has to be an object/],
  ] as const) {
    const folder = await folderOf(t, { 'hooks/beforeCreate': sh('') }, {})
    await writeFile(join(folder, 'mine/plugin.json'), text)
    const { refused } = await rostered(t, [folder], { data: await ownFolder(t) })
    t.match(refused(), [{ name: 'mine', reason }])
  }
})

t.test('what other systems leave beside programs is passed over', async t => {
  const folder = await folderOf(t, { 'hooks/beforeCreate': sh('') }, {})
  for (const name of ['.DS_Store', '._beforeCreate', '.beforeCreate.swp'])
    await writeFile(join(folder, 'mine/hooks', name), '')
  const { refused } = await rostered(t, [folder], { data: await ownFolder(t) })
  t.same(refused(), [])
})

t.test(
  'with a user for it, a program has that user and nothing else',
  { skip: process.getuid?.() !== 0 },
  async t => {
    const nobody = { uid: 65534, gid: 65534 }
    const { driver, dir } = await plugin(
      t,
      {
        'hooks/beforeCreate': sh(
          'id -u; id -G; grep -E "^(CapEff|CapInh|NoNewPrivs)" /proc/self/status; echo mine > kept',
        ),
      },
      {},
      { ...executables, user: nobody, fence: findFence(nobody, executables.env) },
    )
    const call = calling()
    await driver.beforeCreate({ app }, call)
    t.strictSame(call.lines, [
      '       65534',
      '       65534',
      '       CapInh:\t0000000000000000',
      '       CapEff:\t0000000000000000',
      '       NoNewPrivs:\t1',
    ])
    t.strictSame(await readdir(dir), ['kept'])
  },
)

t.test(
  'a daemon that is not root becomes that user with three capabilities, and ends what it started',
  { skip: process.getuid?.() !== 0 },
  async t => {
    const mark = marker()
    const dir = await ownFolder(t)
    const folder = await folderOf(
      t,
      { 'hooks/beforeCreate': sh(`id -u > who; sleep ${mark} & wait`) },
      { hooks: { beforeCreate: { timeoutMs: 1500 } } },
    )
    const passwd = join(dir, 'passwd')
    await writeFile(passwd, 'davit-plugin:x:54321:54322::/:/usr/sbin/nologin\n')
    const at = (path: string) => JSON.stringify(join(root, 'src/plugin', path))
    const script = join(dir, 'daemon.mjs')
    await writeFile(
      script,
      `
    import { createDriver } from ${at('driver.ts')}
    import { readExecutable } from ${at('executable.ts')}
    import { findFence } from ${at('fence.ts')}
    import { openShift } from ${at('shift.ts')}
    import { findPluginUser } from ${at('user.ts')}
    const user = findPluginUser({ passwd: ${JSON.stringify(passwd)} })
    const env = { PATH: '/usr/bin:/bin' }
    const fence = findFence(user, env)
    const tools = { user, fence, env, checkout: async () => {} }
    const dir = ${JSON.stringify(join(dir, 'own'))}
    const { signal } = new AbortController()
    const plugin = readExecutable({ name: 'mine', folder: ${JSON.stringify(join(folder, 'mine'))} }, tools)
    const shift = openShift(plugin, { dir, signal, log: console }, ${JSON.stringify(join(folder, 'mine'))})
    await shift.start()
    const call = { signal, out: { detail() {}, warn() {} } }
    const error = await createDriver(() => [shift.member]).beforeCreate({ app: { name: 'shop' } }, call).catch(e => e)
    console.log(JSON.stringify({ user, fence, said: error?.message }))`,
    )
    await mkdir(join(dir, 'own'))
    await chown(join(dir, 'own'), 54320, 54320)
    const caps = ['inh', 'ambient'].map(set => `--${set}-caps=+setuid,+setgid,+kill`)
    const as = ['--reuid=54320', '--regid=54320', '--groups=54322', ...caps, '--', process.execPath, script]
    const { stdout } = await promisify(execFile)('setpriv', as, { cwd: '/' })
    t.match(JSON.parse(stdout), { user: { uid: 54321, gid: 54322 }, said: /did not answer within 1.5 s/ })
    t.equal(await readFile(join(dir, 'own/who'), 'utf8'), '54321\n')
    t.match(JSON.parse(stdout).fence, ['unshare', '--user'])
    await until(async () => !(await lives(mark)))
  },
)

function sh(script: string): string {
  return `#!/bin/sh\n${script}\n`
}

async function plugin(
  t: Test,
  files: Readonly<Record<string, string>>,
  more: object = {},
  tools = executables,
) {
  const folder = await folderOf(t, files, more)
  const data = await ownFolder(t)
  const known = await rostered(t, [folder], {
    data,
    apps: [app],
    executables: tools,
  })
  return { ...known, driver: createDriver(known.members), dir: join(data, 'mine/data') }
}

async function folderOf(t: Test, files: Readonly<Record<string, string>>, more: object): Promise<string> {
  const folder = await ownFolder(t)
  await mkdir(join(folder, 'mine'))
  await writeFile(
    join(folder, 'mine/plugin.json'),
    JSON.stringify({ name: 'mine', about: 'Mine', api: 1, ...more }),
  )
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, 'mine', path, '..'), { recursive: true })
    await writeFile(join(folder, 'mine', path), text)
    await chmod(join(folder, 'mine', path), 0o755)
  }
  return folder
}

async function ownFolder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-exec-'))
  await chmod(dir, 0o711)
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

/** For `sleep`: seconds that nobody else says. */
function marker(): string {
  return `1000.${randomInt(1e9, 1e10)}`
}

/** Whether a process has it on its command line, in whatever namespace. */
async function lives(mark: string): Promise<boolean> {
  const pids = (await readdir('/proc')).filter(each => /^\d+$/.test(each))
  const lines = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.some(each => each.includes(`\0${mark}\0`))
}

async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await is()); tries++) {
    if (tries > 500) throw new Error('it did not come about')
    await pause(20)
  }
}
