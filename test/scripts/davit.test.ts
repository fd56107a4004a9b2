import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import t from 'tap'

const root = join(import.meta.dirname, '../..')

t.test('davit starts from wherever it is linked', async t => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'bin'))
  symlinkSync(join(root, 'scripts'), join(folder, 'scripts'))
  symlinkSync('../scripts/davit', join(folder, 'bin/davit'))
  const { stderr } = await run(join(folder, 'bin/davit'), ['version'], { DAVIT_SOCKET: join(folder, 'none') })
  t.match(stderr, `No Davit answers at ${folder}`)
})

t.test('words reach Davit as they are', async t => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'scripts'))
  mkdirSync(join(folder, 'src'))
  cpSync(join(root, 'scripts/davit'), join(folder, 'scripts/davit'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'src/main.ts'), 'console.log(JSON.stringify(process.argv.slice(2)))')
  const words = ['config:set', 'a b', '', '$HOME', '--', "it's"]
  t.same(JSON.parse((await run(join(folder, 'scripts/davit'), words)).stdout), words)
})

t.test('where the program is compiled already, no process loads the compiler', async t => {
  const env = { NODE_COMPILE_CACHE: t.testdir() }
  const daemon = JSON.stringify(join(root, 'src/daemon.ts'))
  const text = `await import(${daemon}); console.log(process.moduleLoadList.join(' '))`
  const loaded = async () =>
    (await run(process.execPath, ['--input-type=module', '--eval', text], env)).stdout
  t.same(await run(join(root, 'scripts/davit'), ['compile'], env), { code: 0, stdout: '', stderr: '' })
  t.match(await loaded(), 'internal/modules/typescript')
  t.notMatch(await loaded(), 'amaro')
})

t.test('without its Node it says what to run', async t => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'scripts'))
  cpSync(join(root, 'scripts/davit'), join(folder, 'scripts/davit'))
  const { code, stderr } = await run(join(folder, 'scripts/davit'), ['version'])
  t.equal(code, 1)
  t.match(stderr, `${folder}/scripts/prepare`)
  t.match(stderr, 'install.sh')
})

t.test('prepare does nothing and says nothing when all is done', async t => {
  const prepare = () => run(join(root, 'scripts/prepare'), ['--no-stacks'])
  let said = await prepare()
  // Another test may have been at it just then.
  for (let n = 0; n < 5 && said.stdout.includes('another scripts/prepare'); n++) said = await prepare()
  t.same(said, { code: 0, stdout: '', stderr: '' })
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(file: string, words: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise(resolve => {
    execFile(file, words, { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ).stdin?.end()
  })
}
