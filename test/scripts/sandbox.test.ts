import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'

import t from 'tap'

const root = join(import.meta.dirname, '../..')

t.test('a command in a sandbox meets a Davit that lets it in, and its exit code comes back', async t => {
  const sandbox = start([
    '--',
    'sh',
    '-c',
    'echo "$DAVIT_SANDBOX"; ssh -nF "$DAVIT_SANDBOX/ssh_config" davit version; cat; exit 7',
  ])
  sandbox.stdin?.end('what is typed arrives')
  const [stdout, stderr] = await Promise.all([text(sandbox.stdout!), text(sandbox.stderr!)])
  const folder = stdout.split('\n')[0]!
  t.equal(await ended(sandbox), 7, stderr)
  t.match(stdout, /\ndavit version \d/)
  t.match(stdout, 'what is typed arrives')
  t.notOk(existsSync(folder), 'its folder is gone')
})

t.test('Ctrl-C ends a sandbox, and what it made is gone', async t => {
  const sandbox = start([])
  t.teardown(() => sandbox.kill('SIGTERM'))
  const said = await untilSays(sandbox, /Ctrl-C/)
  const folder = /-F (\S+)\/ssh_config/.exec(said)![1]!
  await promisify(execFile)('ssh', ['-F', join(folder, 'ssh_config'), 'davit', 'apps:create', 'hello'])
  const pids = ['up.pid', 'daemon.pid', 'proxy/proxy.pid'].map(
    file => readFileSync(join(folder, 'data', file), 'utf8').split(/\s/)[0]!,
  )
  process.kill(sandbox.pid!, 'SIGINT')
  t.equal(await ended(sandbox), 130)
  t.notOk(existsSync(folder), 'its folder is gone')
  for (const pid of pids) t.notOk(existsSync(`/proc/${pid}`), `process ${pid} is gone`)
})

function start(words: readonly string[]): ChildProcess {
  return spawn(join(root, 'scripts/sandbox'), words)
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode)
  return new Promise(resolve => child.once('exit', resolve))
}

async function untilSays(child: ChildProcess, what: RegExp): Promise<string> {
  let said = ''
  for await (const chunk of child.stdout!.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += chunk
    if (what.test(said)) return said
  }
  throw new Error(`it said only: ${said}`)
}
