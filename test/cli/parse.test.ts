import t from 'tap'

import { parseArguments, readRequest } from '../../src/cli/parse.ts'
import { commands } from '../../src/commands/index.ts'
import {
  type Arguments,
  any,
  appName,
  appOrGlobal,
  choice,
  flag,
  keyFlag,
  many,
  one,
  option,
  optional,
  options,
  text,
  whole,
  words,
} from '../../src/plugin/args.ts'
import { type Command, defineCommand } from '../../src/plugin/command.ts'

function command(args: Arguments): Command {
  return defineCommand({ name: 'topic:verb', about: 'Does it', args, run: () => undefined })
}

function parse(args: Arguments, line: string): Record<string, unknown> {
  return parseArguments(command(args), line === '' ? [] : line.split(' ')).values
}

function shown(name: string, ...line: string[]): string {
  return parseArguments(commands.find(each => each.name === name)!, line).shown.join(' ')
}

t.test('words fall to arguments in their order', async t => {
  const args = { app: appName(), key: text('KEY'), value: optional(text('VALUE')) }
  t.strictSame(parse(args, 'shop a b'), { app: 'shop', key: 'a', value: 'b' })
  t.strictSame(parse(args, 'shop a'), { app: 'shop', key: 'a', value: undefined })
})

t.test('the rest of the words can be one argument', async t => {
  t.strictSame(parse({ app: appName(), keys: many(text('KEY')) }, 'shop a b'), {
    app: 'shop',
    keys: ['a', 'b'],
  })
  t.strictSame(parse({ app: appName(), keys: any(text('KEY')) }, 'shop'), { app: 'shop', keys: [] })
})

t.test('an empty word is a word', async t => {
  const { values } = parseArguments(command({ app: appName(), value: text('VALUE') }), ['shop', ''])
  t.strictSame(values, { app: 'shop', value: '' })
})

t.test('a word too few or too many is told with the usage', async t => {
  const args = { app: appName(), keys: many(text('KEY')) }
  t.throws(() => parse(args, ''), {
    code: 'bad-usage',
    message: 'APP is missing.',
    hint: 'Usage: topic:verb APP KEY...',
  })
  t.throws(() => parse(args, 'shop'), { code: 'bad-usage', message: 'KEY is missing.' })
  t.throws(() => parse({ app: appName() }, 'shop more'), {
    code: 'bad-usage',
    message: '"more" is one word too many.',
    hint: 'Usage: topic:verb APP',
  })
  t.throws(() => parse({ app: appOrGlobal() }, ''), { message: 'APP or --global is missing.' })
})

t.test("a name that no app can have is a missing app, with Dokku's exit code", async t => {
  t.throws(() => parse({ app: appName() }, 'No_Such'), { code: 'app-missing', exit: 20 })
})

t.test('flags stand before, between or after words', async t => {
  const args = {
    app: appName(),
    key: text('KEY'),
    force: flag('no-restart', { short: 'n' }),
    count: option('count', whole(0, 9), { short: 'c' }),
  }
  const wanted = { app: 'shop', key: 'a', force: true, count: 3 }
  for (const line of [
    '--no-restart --count 3 shop a',
    'shop --no-restart a --count=3',
    'shop a -n -c 3',
    '-c=3 shop a --no-restart',
  ])
    t.strictSame(parse(args, line), wanted, line)
  t.strictSame(parse(args, 'shop a'), { app: 'shop', key: 'a', force: false, count: undefined })
})

t.test("an option's value may look like a flag, be empty or hold an equals sign", async t => {
  const args = { image: option('image', word => word) }
  t.strictSame(parse(args, '--image --x'), { image: '--x' })
  t.strictSame(parse(args, '--image='), { image: '' })
  t.strictSame(parse(args, '--image=a=b'), { image: 'a=b' })
  t.strictSame(parse(args, '--image a --image b'), { image: 'b' })
  t.strictSame(parseArguments(command(args), ['--image=a\nb']).values, { image: 'a\nb' })
})

t.test('an option that may come often keeps all its values in order', async t => {
  t.strictSame(parse({ env: options('env', word => word, { short: 'e' }) }, '-e a --env b --env=c'), {
    env: ['a', 'b', 'c'],
  })
})

t.test('an option without its value, and a flag with one, are told', async t => {
  t.throws(() => parse({ count: option('count', whole(0, 9)) }, '--count'), {
    code: 'bad-usage',
    message: '--count needs a value.',
  })
  t.throws(() => parse({ all: flag('all') }, '--all=yes'), {
    code: 'bad-usage',
    message: '--all takes no value.',
  })
})

t.test('a value of the wrong form is told', async t => {
  for (const value of ['10', '-1', '1.5', '1e1', ' 1', 'one', '']) {
    t.throws(
      () => parseArguments(command({ count: option('count', whole(0, 9)) }), [`--count=${value}`]),
      { code: 'bad-argument', message: /is not a whole number from 0 to 9/ },
      value,
    )
  }
  t.throws(() => parse({ format: option('format', choice('stdout', 'json')) }, '--format xml'), {
    code: 'bad-argument',
    message: 'xml is not one of: stdout, json.',
  })
})

t.test('an unknown flag is told with the usage', async t => {
  for (const word of ['--bogus', '--bogus=1', '-x', '---force', '-undefined', '--constructor']) {
    t.throws(
      () => parse({ app: appName(), all: flag('all') }, `shop ${word}`),
      { code: 'bad-usage', message: /is no flag of topic:verb/, hint: 'Usage: topic:verb APP [--all]' },
      word,
    )
  }
})

t.test('after -- nothing is a flag', async t => {
  const args = { app: appName(), keys: many(text('KEY')), all: flag('all') }
  t.strictSame(parse(args, 'shop -- --all --'), { app: 'shop', keys: ['--all', '--'], all: false })
  t.strictSame(parse(args, '--all -- shop -k'), { app: 'shop', keys: ['-k'], all: true })
})

t.test('a single dash is a word', async t => {
  t.strictSame(parse({ file: text('FILE') }, '-'), { file: '-' })
})

t.test('--global stands in place of the app, wherever it is', async t => {
  const args = { app: appOrGlobal(), key: text('KEY'), value: optional(text('VALUE')) }
  for (const line of ['--global a b', 'a --global b', 'a b --global'])
    t.strictSame(parse(args, line), { app: undefined, key: 'a', value: 'b' }, line)
  t.strictSame(parse(args, 'shop a b'), { app: 'shop', key: 'a', value: 'b' })
})

t.test('--global is no flag where only an app can be meant', async t => {
  t.throws(() => parse({ app: appName() }, 'shop --global'), { code: 'bad-usage' })
})

t.test("words for somebody else's program are passed on as they are", async t => {
  const args = { app: appName(), command: words('COMMAND'), tty: flag('no-tty') }
  t.strictSame(parse(args, '--no-tty shop ls -la --no-tty -- x'), {
    app: 'shop',
    command: ['ls', '-la', '--no-tty', '--', 'x'],
    tty: true,
  })
  t.strictSame(parse(args, 'shop -- ls -la'), { app: 'shop', command: ['ls', '-la'], tty: false })
  t.strictSame(parse(args, '-- shop ls -la'), { app: 'shop', command: ['ls', '-la'], tty: false })
  t.strictSame(parse(args, 'shop --version'), { app: 'shop', command: ['--version'], tty: false })
  t.strictSame(parse(args, 'shop'), { app: 'shop', command: [], tty: false })
})

t.test('--force and -f are taken by every command', async t => {
  for (const line of ['--force shop', 'shop -f'])
    t.equal(parseArguments(command({ app: appName() }), line.split(' ')).force, true)
  t.equal(parseArguments(command({ app: appName() }), ['shop']).force, false)
})

t.test("a report's flag is one out of a set that only the command knows", async t => {
  const args = { app: optional(appName()), key: keyFlag('One value'), json: flag('json') }
  t.strictSame(parse(args, 'shop --git-sha'), { app: 'shop', key: 'git-sha', json: false })
  t.strictSame(parse(args, '--git-sha shop --json'), { app: 'shop', key: 'git-sha', json: true })
  t.throws(() => parse(args, 'shop --git-sha --git-dir'), { code: 'bad-usage' })
})

t.test('what may be secret is hidden in the audit, in whatever order it was typed', async t => {
  for (const line of [
    ['shop', 'TOKEN=hunter2', 'URL=hunter2=x'],
    ['--no-restart', 'shop', 'TOKEN=hunter2'],
    ['shop', '--no-restart', 'TOKEN=hunter2'],
    ['TOKEN=hunter2', '--global', 'B=hunter2'],
    ['--global', 'TOKEN=hunter2'],
    ['TOKEN=hunter2', 'B=hunter2', '--global'],
    ['shop', '--', 'TOKEN=hunter2', 'B=-hunter2'],
    ['--encoded', 'shop', 'TOKEN=aHVudGVyMg=='],
  ]) {
    const kept = shown('config:set', ...line)
    t.notMatch(kept, /hunter2|aHVudGVyMg/, kept)
    t.match(kept, /TOKEN=\*\*\*/, kept)
  }
  t.equal(shown('config:set', 'shop', 'TOKEN=x'), 'config:set shop TOKEN=***')
})

t.test("a variable given to one command is hidden, the command's words are not", async t => {
  for (const flags of [
    ['-e', 'TOKEN=hunter2'],
    ['-e=TOKEN=hunter2'],
    ['--env=TOKEN=hunter2'],
    ['--env', 'TOKEN=hunter2'],
  ]) {
    const kept = shown('run', ...flags, 'shop', 'rake', '-e', 'production')
    t.match(kept, /^run -(-env|e) TOKEN=\*\*\* shop rake -e production$/, kept)
  }
})

t.test('hidden words are hidden as well when a word too many comes after them', async t => {
  const secret = { ...one('SECRET', '', word => word), hide: () => '***' }
  const given = command({ app: appName(), secrets: any(secret) })
  t.strictSame(parseArguments(given, ['shop', 'x', 'y']).shown, ['topic:verb', 'shop', '***', '***'])
})

t.test('global flags come before the command', async t => {
  const none = { quiet: false, force: false, trace: false }
  t.strictSame(readRequest(['apps:list', '--format', 'json']), {
    ...none,
    name: 'apps:list',
    words: ['--format', 'json'],
  })
  t.strictSame(readRequest(['--app', 'shop', 'config:show']), {
    ...none,
    name: 'config:show',
    words: ['shop'],
  })
  t.strictSame(readRequest(['--', '--app=shop', '--force', '--quiet', 'apps:destroy', '-x']), {
    ...none,
    force: true,
    quiet: true,
    name: 'apps:destroy',
    words: ['shop', '-x'],
  })
  t.match(readRequest(['--version']), { name: 'version' })
  t.match(readRequest([]), { name: '', words: [] })
  t.throws(() => readRequest(['--bogus', 'apps:list']), { code: 'bad-flag', message: /no global flag/ })
})

t.test('--app without an app is told, not taken for a greeting', async t => {
  t.throws(() => readRequest(['--app']), { code: 'bad-flag', message: '--app needs a value.' })
  t.throws(() => readRequest(['--app', '--force', 'config:show']), { code: 'bad-flag' })
})
