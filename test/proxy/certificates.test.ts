import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'

import { type Test, t } from 'tap'

import { selfSigned } from '../../src/self-signed.ts'
import type { Certificate } from '../../src/types.ts'
import { ask2, secure, session } from './client2.ts'
import { running } from './running.ts'
import { backend, routeTo } from './stage.ts'

t.jobs = 1

t.test('a certificate that is told counts for the very next handshake, on every worker', async t => {
  const { httpsPort, edge } = await running(t)
  const control = edge()
  await control.sync([])
  const shown = () => Promise.all(Array.from({ length: 12 }, () => subject(t, httpsPort)))
  t.same(new Set(await shown()), new Set(['no-certificate.invalid']))
  for (const name of ['one', 'two']) {
    const pair = await selfSigned([name], { days: 2 })
    await control.certificate({ name: 'shop', hostnames: ['shop.test'], ...pair })
    t.same(new Set(await shown()), new Set([name]))
  }
  await control.forgetCertificate('shop')
  t.same(new Set(await shown()), new Set(['no-certificate.invalid']))
  await control.sync([], [await certificate('shop')])
  t.same(new Set(await shown()), new Set(['shop.test']))
  await control.sync([])
  t.same(new Set(await shown()), new Set(['no-certificate.invalid']))
})

t.test('a broken certificate is refused by name, and the one before stays', async t => {
  const { httpsPort, edge, workers } = await running(t)
  const control = edge()
  const sound = await certificate('shop')
  const other = await certificate('shop')
  await control.certificate(sound)
  const before = await workers()
  for (const broken of [
    { ...sound, key: other.key },
    { ...sound, key: 'no key' },
    { ...sound, chain: 'no chain' },
    { ...sound, chain: sound.chain.replace(/[A-Za-z0-9]{20}/, 'A'.repeat(20)) },
  ]) {
    await t.rejects(control.certificate(broken), /the certificate shop cannot be used/)
    t.equal(await subject(t, httpsPort), 'shop.test')
  }
  const refused = await control.sync([], [{ ...sound, name: 'broken', key: other.key }, sound])
  t.match(refused, [/the certificate broken cannot be used/])
  t.equal(await subject(t, httpsPort), 'shop.test')
  t.same(await workers(), before)
})

t.test('a proxy starts alone with its certificates, which are on the disk sealed only', async t => {
  const app = await backend(t, (_req, res) => res.end('here'))
  const proxy = await running(t, { workers: 1 })
  const shop = await certificate('shop')
  await proxy.edge().sync([routeTo(app)], [shop])
  await proxy.stop('SIGKILL')
  proxy.start()
  t.equal(await subject(t, proxy.httpsPort), 'shop.test')
  t.match(await ask2(await session(t, proxy.httpsPort), '/'), { body: 'here' })
  const folder = join(proxy.data, 'proxy')
  for (const name of ['seal.key', 'certificates.json'])
    t.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
  const [middle] = /[A-Za-z0-9+/]{40}/.exec(shop.key)!
  for (const name of await readdir(folder)) {
    if (name === 'control.sock') continue
    const text = await readFile(join(folder, name), 'latin1')
    t.notOk(text.includes('PRIVATE KEY') || text.includes(middle), name)
  }
})

t.test('a seal that is lost or loose costs what is on the disk, not traffic', async t => {
  const app = await backend(t, (_req, res) => res.end('here'))
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  const key = join(proxy.data, 'proxy/seal.key')
  await control.sync([routeTo(app)], [await certificate('shop')])
  await proxy.stop()
  await writeFile(key, Buffer.alloc(32, 7))
  proxy.start()
  t.equal(await subject(t, proxy.httpsPort), 'no-certificate.invalid')
  t.match(await ask2(await session(t, proxy.httpsPort), '/'), { body: 'here' })
  await control.certificate(await certificate('shop'))
  t.equal(await subject(t, proxy.httpsPort), 'shop.test')
  t.ok((await readdir(join(proxy.data, 'proxy'))).some(name => name.startsWith('certificates.json.broken-')))
})

t.test('a session is taken up again by whichever worker comes next', async t => {
  const { httpsPort, edge, workers } = await running(t, { workers: 2 })
  const control = edge()
  await control.certificate(await certificate('shop'))
  while ((await control.stats()).workers < 2) await pause(10)
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = await secure(t, httpsPort, { maxVersion })
    const [ticket] =
      first.getSession() && maxVersion === 'TLSv1.2' ? [first.getSession()] : await once(first, 'session')
    first.destroy()
    const again = await Promise.all(
      Array.from({ length: 16 }, async () => {
        const socket = await secure(t, httpsPort, { maxVersion, session: ticket })
        const reused = socket.isSessionReused()
        socket.destroy()
        return reused
      }),
    )
    t.same(new Set(again), new Set([true]), maxVersion)
    // And by one that has only just begun.
    for (const pid of await workers()) process.kill(pid, 'SIGKILL')
    const later = await secure(t, httpsPort, { maxVersion, session: ticket })
    t.ok(later.isSessionReused(), maxVersion)
  }
})

t.test('SIGTERM finishes what is in flight over HTTP/2', async t => {
  const { promise: asked, resolve } = Promise.withResolvers<() => void>()
  const app = await backend(t, (_req, res) => {
    res.write('begun ')
    resolve(() => res.end('x'.repeat(1e6)))
  })
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().point(routeTo(app))
  const answer = ask2(await session(t, proxy.httpsPort), '/')
  const finish = await asked
  const stopped = proxy.stop()
  await proxy.says(/the proxy ends: SIGTERM/)
  await pause(300)
  finish()
  t.match(await answer, { status: 200, code: 0, body: `begun ${'x'.repeat(1e6)}` })
  await stopped
})

async function certificate(name: string): Promise<Certificate> {
  return { name, hostnames: ['shop.test'], ...(await selfSigned(['shop.test'], { days: 2 })) }
}

async function subject(t: Test, port: number, options: ConnectionOptions = {}): Promise<unknown> {
  const socket = await secure(t, port, options)
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return CN
}
