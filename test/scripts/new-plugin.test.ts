import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Test, t } from 'tap'

import { mapModules } from '../../src/plugin/load.ts'
import { plainEnv, root } from '../../src/settings.ts'

mapModules()

for (const [kind, flags] of [
  ['in TypeScript', []],
  ['of programs', ['--executable']],
] as const)
  t.test(`a new plugin ${kind} has a test that runs, against a Davit of its own`, async t => {
    const dir = await ownFolder(t)
    t.match(await run(dir, 'new-plugin', 'hello', ...flags), {
      code: 0,
      stdout: /scripts\/test --plugin hello/,
    })
    const { code, stdout } = await run(dir, 'test', '--plugin', 'hello')
    t.equal(code, 0, stdout)
    t.match(stdout, /pass 1\n/)
  })

t.test('what it does may be said in several words, with any signs', async t => {
  const dir = await ownFolder(t)
  const words = ['Says', 'what', `"Ann's" C:\\new`, '$(boxes)', '`say`']
  const about = words.join(' ')
  t.match(await run(dir, 'new-plugin', 'hello', ...words), {
    code: 0,
    stdout: `hello is written: ${about}\n`,
  })
  const { default: plugin } = await import(join(dir, 'hello/index.ts'))
  t.equal(plugin.about, about)
  // Without what tap hands to every Node below it: the compiler does not start with it.
  const tsc = ['-u', 'NODE_OPTIONS', join(root, 'node_modules/.bin/tsc'), '-p', 'hello']
  const { code, stdout, stderr } = await runProgram('env', tsc, dir)
  t.equal(code, 0, `its types are right: ${stdout}${stderr}`)
  await run(dir, 'new-plugin', '--executable', 'hola', ...words)
  t.equal(JSON.parse(await readFile(join(dir, 'hola/plugin.json'), 'utf8')).about, about)
  t.match(await run(dir, 'new-plugin', 'bad', 'Two\nlines'), { code: 1, stderr: /One line/ })
})

t.test('plugins/README.md shows what is written', async t => {
  const dir = await ownFolder(t)
  await run(dir, 'new-plugin', 'hello', 'Greets', 'everybody', 'who', 'pushes')
  const readme = await readFile(join(root, 'plugins/README.md'), 'utf8')
  const [, shown] = /all of it one object:\n\n```ts\n(.*?)```/s.exec(readme) ?? []
  t.equal(shown, await readFile(join(dir, 'hello/index.ts'), 'utf8'))
})

t.test('it says what to do next', async t => {
  const dir = await ownFolder(t)
  const { stdout } = await run(dir, 'new-plugin', 'hola', '--executable')
  for (const line of [
    'hola/hooks/beforeRelease',
    'scripts/test --plugin hola',
    'scripts/sandbox',
    'tar -c -C hola .',
  ])
    t.match(stdout, line)
})

t.test('names that Davit has given away are refused', async t => {
  const dir = await ownFolder(t)
  for (const [name, reason] of [
    ['davit', 'davit is Davit itself.'],
    ['storage', 'Davit itself brings a plugin storage.'],
    ['apps', "apps is a topic of Davit's own commands: apps:create is there."],
    ['help', "help is a topic of Davit's own commands"],
  ] as const)
    t.match(await run(dir, 'new-plugin', name), { code: 1, stdout: '', stderr: reason }, name)
  t.strictSame(await readdir(dir), [])
})

t.test('a test of a plugin that does not do what it says fails', async t => {
  const dir = await ownFolder(t)
  await run(dir, 'new-plugin', 'hello', '--executable')
  await rm(join(dir, 'hello/hooks/beforeRelease'))
  t.match(await run(dir, 'test', '--plugin', 'hello'), { code: 1, stdout: /fail 1/ })
})

t.test('nothing is written for a bad name, or over what is there', async t => {
  const dir = await ownFolder(t)
  t.match(await run(dir, 'new-plugin', 'Hello World'), { code: 1, stderr: /cannot be a plugin's name/ })
  t.match(await run(dir, 'new-plugin', '../hello'), { code: 1 })
  t.match(await run(dir, 'new-plugin'), { code: 2, stderr: /scripts\/new-plugin NAME/ })
  t.match(await run(dir, 'new-plugin', '--help'), { code: 0, stdout: /scripts\/new-plugin NAME/ })
  t.strictSame(await readdir(dir), [])
  await run(dir, 'new-plugin', 'hello')
  t.match(await run(dir, 'new-plugin', 'hello'), { code: 1, stderr: /something called hello here/ })
  t.ok(existsSync(join(dir, 'hello/index.ts')))
})

async function ownFolder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-new-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

function run(cwd: string, script: string, ...words: readonly string[]) {
  return runProgram(join(root, 'scripts', script), words, cwd)
}

function runProgram(program: string, words: readonly string[], cwd: string) {
  return new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
    const options = { cwd, env: plainEnv(), maxBuffer: 1 << 24 }
    execFile(program, words, options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}
