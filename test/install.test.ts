import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import t from 'tap'

import { docker, openOwnEngine } from '../scripts/chaos.d/own-engine.ts'

const root = join(import.meta.dirname, '..')
const install = join(root, 'install.sh')
const asRoot = process.getuid?.() === 0 ? {} : { skip: 'only root can try it' }

t.test('help names every option', async t => {
  const { code, stdout } = await run(install, ['--help'])
  t.equal(code, 0)
  const options = [
    'domain',
    'key',
    'ssh-port',
    'http-port',
    'https-port',
    'demo',
    'uninstall',
    'purge',
    'force-os',
  ]
  for (const name of options) t.match(stdout, `--${name}`)
})

t.test('what it cannot use is refused before anything happens', async t => {
  const said = async (...words: string[]) => (await run(install, words)).stderr
  t.match(await said('--nope'), '--nope is not an option')
  t.match(await said('--ssh-port', '70000'), '--ssh-port is a port, not 70000')
  t.match(await said('--http-port=web'), '--http-port is a port, not web')
  t.match(await said('--domain'), '--domain needs a value')
})

t.test('without root it says how', asRoot, async t => {
  const { code, stderr } = await run('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', install])
  t.equal(code, 1)
  t.match(stderr, 'sudo')
})

t.test('a wrong system is refused, and says how to go on', asRoot, async t => {
  const folder = t.testdir({ 'os-release': 'ID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora Linux 43"\n' })
  const { code, stderr } = await harmless(
    ['mount --bind "$1/os-release" "$(readlink -f /etc/os-release)"', folder],
    [],
  )
  t.equal(code, 1)
  t.match(stderr, 'not for Fedora Linux 43')
  t.match(stderr, '--force-os')
})

t.test('settings that cannot work are refused by name', asRoot, async t => {
  const said = async (...words: string[]) => (await harmless(['true'], ['--force-os', ...words])).stderr
  t.match(await said('--domain', 'under_score.test'), 'under_score.test is not a hostname')
  t.match(await said('--domain', 'a.test', '--ssh-port', '80', '--http-port', '80'), 'cannot share a port')
  t.match(await said('--domain', 'a.test', '--key', 'no key at all'), 'not a public key: no key at all')
})

t.test('a port in use is told with its holder and the flag to change it', asRoot, async t => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const { code, stderr } = await harmless(
    ['true'],
    ['--force-os', '--domain', 'a.test', '--http-port', `${port}`],
  )
  t.equal(code, 1)
  t.match(stderr, `Port ${port} is in use by`)
  t.match(stderr, `(process ${process.pid})`)
  t.match(stderr, '--http-port')
  t.match(stderr, 'It stopped at: the ports')
})

t.test('purged, it leaves the stacks to another Davit on the engine, and says so', asRoot, async t => {
  const engine = await openOwnEngine(await mkdtemp(join(tmpdir(), 'davit-install-')))
  t.teardown(() => engine.close())
  const ask = async (...words: string[]) => (await docker(engine.socket, ...words)).stdout
  const images = async () =>
    (await ask('image', 'ls', '--format', '{{.Repository}}')).trim().split('\n').sort()
  const purge = () =>
    run('env', [
      `DOCKER_HOST=unix://${engine.socket}`,
      ...['bash', '-c', 'source <(sed \'$d\' "$0"); remove_apps', install],
    ])
  for (const app of ['davit/blog', 'other/shop']) await ask('tag', 'davit/stack-base', `davit-app/${app}:1`)
  await ask('network', 'create', '--label=com.davit.instance=third', 'third-shop')
  t.match(await purge(), { code: 0, stdout: /The stacks stay: .*\(other third\)/ })
  t.same(await images(), ['davit-app/other/shop', 'davit/stack-base'])
  await ask('image', 'rm', 'davit-app/other/shop:1')
  t.match(await purge(), { code: 0, stdout: /The stacks stay: .*\(third\)/ })
  await ask('network', 'rm', 'third-shop')
  t.match(await purge(), { code: 0, stdout: '' })
  t.same(await images(), [''], 'nothing is left where nobody else is')
})

/** Runs install.sh where the whole file system is read-only, after a line that prepares that place. */
function harmless(
  [first, ...values]: readonly [string, ...string[]],
  words: readonly string[],
): Promise<Ended> {
  const script = `set -e; ${first}; mount -o remount,bind,ro /; install=$2; shift 2; exec "$install" "$@"`
  const [value = ''] = values
  return run('unshare', ['--mount', 'sh', '-c', script, 'sh', value, install, ...words])
}

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(file: string, words: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    execFile(file, words, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}
