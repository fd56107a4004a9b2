import { type Test, t } from 'tap'

import { parseArguments } from '../../src/cli/parse.ts'
import { UserError } from '../../src/errors.ts'
import type { Command, CommandContext } from '../../src/plugin/command.ts'
import type { Core } from '../../src/plugin/core.ts'
import { defineReport, defineSet, type Topic } from '../../src/plugin/property.ts'
import { blog, calling, shop, workshop } from '../core/workshop.ts'

const topic: Topic = {
  name: 'git',
  properties: [
    {
      key: 'deploy-branch',
      about: 'The branch',
      where: 'both',
      fallback: 'main',
      read(value) {
        if (value.includes(' ')) throw new UserError('bad-branch', 'No spaces in a branch.')
        return value.toLowerCase()
      },
    },
    { key: 'own', about: 'Of an app', where: 'app', fallback: 'no' },
    { key: 'size', about: 'Of the host', where: 'global', fallback: '1' },
  ],
  facts: async app => ({ sha: `${app}-sha` }),
  globalFacts: () => ({ 'worker-count': '2' }),
}

t.test('a report has the values in one column', async t => {
  const { report } = await house(t, topic)
  t.strictSame(await report('shop'), [
    '=====> shop git information',
    '       Git sha:                shop-sha',
    '       Git deploy branch:',
    '       Git global deploy branch:',
    '       Git computed deploy branch: main',
    '       Git own:',
    '       Git computed own:       no',
    '       Git global size:',
    '       Git computed size:      1',
  ])
  const [, sha] = await report('shop')
  t.equal(sha!.indexOf('shop-sha'), 31)
})

t.test('a report without an app tells of all apps, one after another', async t => {
  const { report } = await house(t, topic)
  t.strictSame(
    (await report()).filter(each => each.startsWith('=')),
    ['=====> blog git information', '=====> shop git information'],
  )
})

t.test("a report of the host has the host's own values", async t => {
  const { report, set } = await house(t, topic)
  await set('--global', 'deploy-branch', 'live')
  t.strictSame(await report('--global', '--git-worker-count'), ['2'])
  t.strictSame(await report('--global', '--git-global-deploy-branch'), ['live'])
  t.strictSame(await report('--global', '--git-computed-deploy-branch'), ['live'])
  t.match(await report('--global'), ['=====> Global git information'])
})

t.test('each value is in JSON under both its names, and all are strings', async t => {
  const { report, set } = await house(t, topic)
  await set('shop', 'deploy-branch', 'live')
  const [json, ...more] = await report('shop', '--format', 'json')
  t.strictSame(more, [])
  t.strictSame(JSON.parse(json!), {
    sha: 'shop-sha',
    'git-sha': 'shop-sha',
    'deploy-branch': 'live',
    'git-deploy-branch': 'live',
    'global-deploy-branch': '',
    'git-global-deploy-branch': '',
    'computed-deploy-branch': 'live',
    'git-computed-deploy-branch': 'live',
    own: '',
    'git-own': '',
    'computed-own': 'no',
    'git-computed-own': 'no',
    'global-size': '',
    'git-global-size': '',
    'computed-size': '1',
    'git-computed-size': '1',
  })
})

t.test('in JSON, a report of all apps has a line for each that says which app it is', async t => {
  const { report } = await house(t, topic)
  const lines = (await report('--format', 'json')).map(each => JSON.parse(each))
  t.match(lines, [
    { 'app-name': 'blog', sha: 'blog-sha', 'git-sha': 'blog-sha' },
    { 'app-name': 'shop', sha: 'shop-sha', 'git-sha': 'shop-sha' },
  ])
  const [one] = await report('shop', '--format', 'json')
  for (const { 'app-name': _, ...rest } of lines.slice(1)) t.strictSame(JSON.parse(one!), rest)
  t.notOk('app-name' in JSON.parse((await report('--global', '--format', 'json'))[0]!))
  await t.rejects(report('shop', '--format', 'json', '--git-sha'), { code: 'bad-flag' })
})

t.test('one flag prints one bare value, under either of its names', async t => {
  const { report } = await house(t, topic)
  for (const flag of ['--git-sha', '--sha']) t.strictSame(await report('shop', flag), ['shop-sha'])
  t.strictSame(await report('--git-sha'), ['blog-sha', 'shop-sha'])
  t.strictSame(await report('shop', '--git-deploy-branch'), [''])
})

t.test("a topic's label stands in front of its keys, its name is understood", async t => {
  const { report } = await house(t, { name: 'apps', label: 'app', facts: async () => ({ dir: '/x' }) })
  t.strictSame(await report('shop'), ['=====> shop app information', '       App dir:                /x'])
  for (const flag of ['--app-dir', '--apps-dir']) t.strictSame(await report('shop', flag), ['/x'])
})

t.test('bare keys are shown without the label', async t => {
  const facts = async () => ({ running: 'true', 'status-web-1': 'running', other: 'x' })
  const { report } = await house(t, { name: 'ps', bare: ['running', 'status'], facts })
  t.strictSame((await report('shop')).slice(1), [
    '       Running:                true',
    '       Status web 1:           running',
    '       Ps other:               x',
  ])
})

t.test('an unknown flag of a report names the valid ones', async t => {
  const { report } = await house(t, topic)
  for (const flag of ['--git-bogus', '--bogus', '--git-constructor', '--constructor', '--git-']) {
    await t.rejects(
      report('shop', flag),
      { code: 'bad-flag', message: /^Invalid flag passed, valid flags: --git-sha, --git-deploy-branch, / },
      flag,
    )
  }
})

t.test('a report of an app that is not there fails with 20', async t => {
  const { report } = await house(t, topic)
  await t.rejects(report('nobody'), { code: 'app-missing', exit: 20 })
})

t.test("an app's own value goes before the host's, and that before the default", async t => {
  const { report, set } = await house(t, topic)
  const inForce = async () => (await report('shop', '--git-computed-deploy-branch'))[0]
  await set('--global', 'deploy-branch', 'live')
  t.equal(await inForce(), 'live')
  await set('shop', 'deploy-branch', 'next')
  t.equal(await inForce(), 'next')
  t.strictSame(await report('shop', '--git-global-deploy-branch'), ['live'])
  await set('shop', 'deploy-branch')
  t.equal(await inForce(), 'live')
  await set('--global', 'deploy-branch', '')
  t.equal(await inForce(), 'main')
})

t.test('a value is kept as it is read, and one that cannot be read is not kept', async t => {
  const { report, set } = await house(t, topic)
  await set('shop', 'deploy-branch', 'LIVE')
  t.strictSame(await report('shop', '--git-deploy-branch'), ['live'])
  await t.rejects(set('shop', 'deploy-branch', 'a b'), { code: 'bad-branch' })
  t.strictSame(await report('shop', '--git-deploy-branch'), ['live'])
})

t.test('a property is set only where it can be', async t => {
  const { set } = await house(t, topic)
  await t.rejects(set('--global', 'own', 'x'), { message: 'Property cannot be specified globally' })
  await t.rejects(set('shop', 'size', '2'), { message: 'Property can only be specified globally' })
  await t.rejects(set('shop', 'bogus', '2'), {
    message: 'Invalid property specified, valid properties include: deploy-branch, own, size',
  })
  await t.rejects(set('nobody', 'own', 'x'), { code: 'app-missing', exit: 20 })
  await t.rejects(set('own', 'x', '--global'), { message: 'Property cannot be specified globally' })
})

t.test('what follows from a property hears of its change', async t => {
  const heard: unknown[] = []
  const changed = (_: Core, app: unknown) => void heard.push(app)
  const { set } = await house(t, {
    name: 'x',
    properties: [{ key: 'k', about: '', where: 'both', fallback: '', changed }],
  })
  await set('shop', 'k', '1')
  await set('--global', 'k')
  t.strictSame(heard, ['shop', undefined])
})

async function house(t: Test, topic: Topic) {
  const { core } = workshop(t)
  for (const app of [shop, blog]) await core.apps.create(app, calling())
  const run = async (command: Command, words: readonly string[]) => {
    const call = calling()
    const { values } = parseArguments(command, words)
    await command.run(values, { core, ...call } as unknown as CommandContext)
    return call.lines
  }
  return {
    report: (...words: string[]) => run(defineReport(topic), words),
    set: (...words: string[]) => run(defineSet(topic), words),
  }
}
