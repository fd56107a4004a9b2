import { randomBytes } from 'node:crypto'

import t from 'tap'

import { type Files, fixture } from './builders.ts'
import { host } from './host.ts'

const { build, run } = await host(t)

/** Without what an earlier run has left in the engine's cache. */
function fresh(files: Files): Files {
  const json = JSON.parse(files['package.json']!.toString())
  return {
    ...files,
    'package.json': JSON.stringify({ ...json, description: randomBytes(8).toString('hex') }),
  }
}

t.test('node-express answers, in production, as app', async t => {
  const get = await run(await build(await fixture('node-express')), { GREETING: 'Fair winds' })
  t.match(await get('/'), { status: 200, body: '<h1>Fair winds</h1>\n' })
  t.match(await get('/mode'), { body: /^production 1000 v24\./ })
})

t.test('a change of the app alone leaves the packages as they are', async t => {
  const files = fresh(await fixture('node-express'))
  const first = await build(files)
  t.ok(first.lines.some(line => /added \d+ packages/.test(line)))
  const second = await build({ ...files, 'server.js': `${files['server.js']}// changed\n` })
  t.notOk(second.lines.some(line => /added \d+ packages/.test(line)))
  t.not(second.image, first.image)
})

t.test('a build has its tools, and the app runs without them', async t => {
  const get = await run(await build(await fixture('node-build')))
  t.match(await get('/'), { status: 200, body: 'Built for production, tools gone\n' })
})

t.test('server.js alone is enough', async t => {
  const get = await run(await build(await fixture('node-bare')))
  t.match(await get('/'), { status: 200, body: 'Node, and nothing else\n' })
})

t.test('another Node is used when engines ask for it', async t => {
  const files = await fixture('node-express')
  const json = { ...JSON.parse(files['package.json']!.toString()), engines: { node: '20.x' } }
  const get = await run(await build({ ...files, 'package.json': JSON.stringify(json) }))
  t.match(await get('/mode'), { body: /^production 1000 v20\./ })
})

t.test('a Node that is nowhere to be had ends the build with its version', async t => {
  const files = { 'package.json': '{"engines":{"node":"97"}}', 'server.js': '' }
  const failed = await build(files).catch(error => error)
  t.match(failed, { code: 'build-failed', output: [/Node 97 cannot be had/] })
})

t.test('yarn and pnpm install from their own lockfiles', async t => {
  const program = `require('node:http').createServer((_q, r) => r.end(require('is-number')(7) + '\\n')).listen(process.env.PORT)`
  const files = { 'package.json': '{"dependencies":{"is-number":"7.0.0"}}', 'server.js': program }
  const integrity =
    'sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng=='
  const yarnLock = `# yarn lockfile v1\n\n\nis-number@7.0.0:\n  version "7.0.0"\n  integrity ${integrity}\n`
  const pnpmLock = [
    "lockfileVersion: '9.0'",
    'importers:',
    '  .:',
    '    dependencies:',
    '      is-number:',
    '        specifier: 7.0.0',
    '        version: 7.0.0',
    'packages:',
    '  is-number@7.0.0:',
    `    resolution: {integrity: ${integrity}}`,
    'snapshots:',
    '  is-number@7.0.0: {}',
    '',
  ].join('\n')
  for (const [name, lock] of Object.entries({ 'yarn.lock': yarnLock, 'pnpm-lock.yaml': pnpmLock })) {
    const get = await run(await build({ ...files, [name]: lock }))
    t.match(await get('/'), { status: 200, body: 'true\n' }, name)
  }
})
