import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import pino from 'pino'
import { type Test, t } from 'tap'

import { connectEdge } from '../src/edge/client.ts'
import { plainEnv } from '../src/settings.ts'
import { secure } from './proxy/client2.ts'
import { childrenOf, dataFolder, isAlive } from './proxy/running.ts'
import { ask, backend, routeTo } from './proxy/stage.ts'

const program = join(import.meta.dirname, 'proxy/house.ts')

t.test('daemon and proxy come up on sockets that up has opened', async t => {
  const house = await up(t)
  t.match(await house.daemon(), { pid: Number })
  t.match(await ask(house.http, '/'), { status: 404 })
})

t.test('a killed proxy is started again, and no connection is refused meanwhile', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const house = await up(t)
  await house.edge().point(routeTo(app))
  const old = await house.proxyPid()
  process.kill(old, 'SIGKILL')
  await house.says(/the proxy ended by SIGKILL after .* s; it starts again in 0\.1 s/)
  t.match(await Promise.all(Array.from({ length: 5 }, () => ask(house.http, '/'))), [
    { status: 200, body: 'ok' },
  ])
  t.not(await house.proxyPid(), old)
})

t.test('another program takes the place of the proxy, and is kept running like the first', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const house = await up(t)
  const control = house.edge()
  await control.point(routeTo(app))
  const { was, pid } = await control.upgrade()
  t.equal(was, await house.proxyPid())
  while (await isAlive(was)) await pause(50)
  t.match(await ask(house.http, '/'), { status: 200, body: 'ok' })
  const third = await control.upgrade()
  t.equal(third.was, pid)
  while (await isAlive(pid)) await pause(50)
  process.kill(third.pid, 'SIGKILL')
  await house.says(new RegExp(`the proxy ended as process ${third.pid}, .* it starts again in 0\\.1 s`))
  t.match(await ask(house.http, '/'), { status: 200, body: 'ok' })
  const last = await house.edge().upgrade()
  t.equal(await house.stop('SIGTERM'), 0)
  t.notOk(await isAlive(last.pid), 'and ends with the supervisor')
})

t.test('what has taken the place of the proxy ends when up is killed', async t => {
  const house = await up(t)
  const { pid } = await house.edge().upgrade()
  await house.stop('SIGKILL')
  while (await isAlive(pid)) await pause(50)
})

t.test('traffic does not notice that the daemon dies', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const house = await up(t)
  await house.edge().point(routeTo(app))
  const proxy = await house.proxyPid()
  const { pid } = await house.daemon()
  process.kill(pid, 'SIGKILL')
  await house.says(/the daemon ended by SIGKILL/)
  t.match(await ask(house.http, '/'), { status: 200 })
  t.not((await house.daemon()).pid, pid)
  t.equal(await house.proxyPid(), proxy)
})

t.test('SIGTERM ends the daemon, then the proxy, then up, and leaves no pid file', async t => {
  const house = await up(t)
  const { pid } = await house.daemon()
  const proxy = await house.proxyPid()
  t.equal(await house.stop('SIGTERM'), 0)
  for (const each of [pid, proxy]) t.notOk(await isAlive(each))
  await t.rejects(stat(join(house.data, 'up.pid')))
  await t.rejects(ask(house.http, '/'), { code: 'ECONNREFUSED' })
})

t.test('children end when up is killed, and the next up takes over', async t => {
  const house = await up(t)
  const { pid } = await house.daemon()
  const proxy = await house.proxyPid()
  await house.stop('SIGKILL')
  const next = await up(t, { data: house.data, ssh: house.ssh, http: house.http })
  t.match(await next.daemon(), { pid: Number })
  t.match(await ask(next.http, '/'), { status: 404 })
  for (const each of [pid, proxy]) t.notOk(await isAlive(each))
})

t.test('without a port for HTTPS it says so and serves HTTP; with one it serves both', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => void taken.close())
  const address = `127.0.0.1:${(taken.address() as net.AddressInfo).port}`
  const without = await up(t, { flags: ['--https-listen', address] })
  await without.says(/nothing is served over HTTPS: Port \d+ is in use by another program\. .*--https-listen/)
  t.match(await ask(without.http, '/'), { status: 404 })
  t.match(await without.daemon(), { https: 'undefined' }, 'the daemon is told too')
  const house = await up(t)
  const [, port] = await house.says(/HTTPS on port (\d+)/)
  const socket = await secure(t, Number(port))
  t.equal(socket.getPeerCertificate().subject.CN, 'no-certificate.invalid')
  t.match(await ask(house.http, '/'), { status: 404 })
  t.match(await house.daemon(), { https: '0' })
  const wanted = await up(t, { flags: ['--https-listen', ''] })
  await wanted.says(/no HTTPS/)
  t.match(await ask(wanted.http, '/'), { status: 404 })
})

t.test('a second up with the same data is refused', async t => {
  const house = await up(t)
  await house.daemon()
  const { code, words } = await refused(t, house.data, ['127.0.0.1:0', '127.0.0.1:0'])
  t.equal(code, 1)
  t.match(words, /^already-up: Davit is up already with .* \(process \d+\)/)
})

t.test('a pid file that nobody stands behind is no hindrance', async t => {
  const data = await dataFolder(t)
  // A process that lives, but is not the one that wrote this.
  await writeFile(join(data, 'up.pid'), `${process.pid} 1\n`)
  await writeFile(join(data, 'daemon.pid'), `${process.pid}\n`)
  const house = await up(t, { data })
  t.match(await house.daemon(), { pid: Number })
})

t.test('a taken port is said before anything is started, with the way out', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => void taken.close())
  const address = `127.0.0.1:${(taken.address() as net.AddressInfo).port}`
  const http = await refused(t, await dataFolder(t), ['127.0.0.1:0', address])
  t.match(http, { code: 1, words: /^port-taken: Port \d+ is in use by another program\. .*--http-listen/ })
  const ssh = await refused(t, await dataFolder(t), [address, '127.0.0.1:0'])
  t.match(ssh, { code: 1, words: /^port-taken: .*--ssh-listen/ })
  t.match(await refused(t, await dataFolder(t), ['1.2.3.4:0', '127.0.0.1:0']), { words: /^bad-setting: / })
})

t.test(
  'daemon and proxy run as their users, with their groups',
  { skip: process.getuid!() !== 0 },
  async t => {
    const data = await dataFolder(t)
    await chmod(data, 0o755)
    const house = await up(t, { data, flags: ['--user', 'mail', '--proxy-user', 'nobody'] })
    const passwd = await readFile('/etc/passwd', 'utf8')
    const uidOf = (name: string) => Number(new RegExp(`^${name}:[^:]*:(\\d+)`, 'm').exec(passwd)?.[1])
    t.match(await house.daemon(), { uid: uidOf('mail'), home: data })
    t.match(await ask(house.http, '/'), { status: 404 })
    t.equal((await stat(`/proc/${await house.proxyPid()}`)).uid, uidOf('nobody'))
    const socket = await stat(join(data, 'proxy/control.sock'))
    t.match(socket, { uid: uidOf('nobody'), gid: (await stat(data)).gid })
    t.match(
      await refused(t, await dataFolder(t), ['127.0.0.1:0', '127.0.0.1:0'], ['--user', 'no-such-user']),
      {
        words: /^no-user: There is no user no-such-user/,
      },
    )
  },
)

interface Wanted {
  readonly data?: string
  readonly ssh?: number
  readonly http?: number
  readonly flags?: readonly string[]
}

async function up(t: Test, { data, ssh = 0, http = 0, flags = [] }: Wanted = {}) {
  const folder = data ?? (await dataFolder(t))
  const child = launch(folder, [`127.0.0.1:${ssh}`, `127.0.0.1:${http}`], flags)
  let output = ''
  child.stdout!.on('data', chunk => {
    output += chunk
  })
  child.stderr!.on('data', chunk => {
    output += chunk
  })
  const says = async (pattern: RegExp) => {
    for (;;) {
      const match = pattern.exec(output)
      if (match) return match
      if (child.exitCode !== null) throw new Error(output)
      await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])
    }
  }
  const stop = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    child.kill(signal)
    await once(child, 'exit')
    return child.exitCode
  }
  t.teardown(() => stop('SIGTERM'))

  const [, sshPort, httpPort] = await says(/SSH on port (\d+), HTTP on port (\d+)/)
  // A socket refuses until its first reader has come; from then on never again.
  await says(/serving \d+ apps/)
  return {
    data: folder,
    ssh: Number(sshPort),
    http: Number(httpPort),
    says,
    stop,
    daemon: () => daemonAt(Number(sshPort)),
    proxyPid: async () => {
      const children = await childrenOf(child.pid!)
      const words = await Promise.all(
        children.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
      )
      return children[words.findIndex(line => line.includes('\0proxy'))] ?? 0
    },
    edge: () => {
      const edge = connectEdge({
        socketPath: join(folder, 'proxy/control.sock'),
        log: pino({ level: 'silent' }),
      })
      t.teardown(() => edge.close())
      return edge
    },
  }
}

function launch(
  data: string,
  [ssh, http]: readonly [string, string],
  flags: readonly string[],
): ChildProcess {
  const listens = ['--ssh-listen', ssh, '--http-listen', http, '--https-listen', '127.0.0.1:0']
  const words = ['--data', data, ...listens, '--workers', '1', ...flags]
  return spawn(process.execPath, [program, 'up', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: plainEnv(),
  })
}

async function refused(
  t: Test,
  data: string,
  listens: readonly [string, string],
  flags: readonly string[] = [],
) {
  const child = launch(data, listens, flags)
  t.teardown(() => void child.kill('SIGKILL'))
  let words = ''
  child.stderr!.on('data', chunk => {
    words += chunk
  })
  const [code] = await once(child, 'close')
  return { code, words }
}

/** Asks the daemon who it is, from its first moment on. */
async function daemonAt(port: number) {
  for (;;) {
    const words = await new Promise<string>(resolve => {
      const socket = net.connect(port, '127.0.0.1')
      let said = ''
      socket.on('error', () => {})
      socket.on('data', chunk => {
        said += chunk
      })
      socket.once('close', () => resolve(said))
    })
    const [pid, uid, groups, home, https] = words.trim().split(' ')
    if (pid) return { pid: Number(pid), uid: Number(uid), groups, home, https }
    await pause(20)
  }
}
