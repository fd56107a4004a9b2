import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Test, t } from 'tap'

import { plainEnv, root } from '../../src/settings.ts'

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
  return new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
    const options = { cwd, env: plainEnv(), maxBuffer: 1 << 24 }
    execFile(join(root, 'scripts', script), words, options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}
