import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import { authority } from '../core/authority.ts'
import { ask2, secure, session } from '../proxy/client2.ts'
import { run, sandbox } from './sandbox.ts'

t.test('an app is served over HTTPS from the certificate that came in a tar to its end', async t => {
  const box = await sandbox(t)
  const { dir, issue, middle, root } = await authority(t)
  const pages = await box.checkout('static-site', 'tide')
  const send = async (hostnames: readonly string[], verb = 'add') => {
    const { certificate, key } = await issue({ name: 'tide', hostnames })
    await writeFile(join(dir, 'tide.crt'), certificate + middle.certificate)
    await writeFile(join(dir, 'tide.key'), key)
    const packed = await run('tar', ['-C', dir, '-cf', join(dir, 'tide.tar'), 'tide.crt', 'tide.key'])
    t.equal(packed.code, 0)
    const script = `cat "$TAR" | ssh -F "$CONFIG" davit certs:${verb} tide`
    const env = { TAR: join(dir, 'tide.tar'), CONFIG: join(box.dir, 'ssh_config') }
    return run('/bin/sh', ['-c', script], { env })
  }
  const trusting = { ca: root.certificate, rejectUnauthorized: true, servername: 'tide.localhost' }
  const url = `https://tide.localhost:${box.httpsPort}`

  t.test('before there is one, http answers', async t => {
    t.match(await pages.push(), { code: 0, text: new RegExp(`http://tide\\.localhost:${box.httpPort}`) })
    t.match(await box.get('tide.localhost'), { status: 200, body: /Low tide/ })
    await t.rejects(secure(t, box.httpsPort, trusting))
  })

  t.test('with it, HTTP/2 and HTTP/1.1 answer over TLS, and http leads there', async t => {
    t.match(await send(['tide.localhost']), { code: 0, stdout: /For tide\.localhost/ })
    const client = await session(t, box.httpsPort, trusting)
    t.match(await ask2(client, '/', { authority: 'tide.localhost' }), {
      status: 200,
      body: /Low tide/,
      headers: { 'strict-transport-security': /max-age=/ },
    })
    const old = await secure(t, box.httpsPort, trusting)
    old.write('GET / HTTP/1.1\r\nHost: tide.localhost\r\nConnection: close\r\n\r\n')
    await once(old, 'close')
    t.match(old.heard(), /^HTTP\/1\.1 200 .*Low tide/s)
    t.match(await box.get('tide.localhost', '/blog/?x'), {
      status: 301,
      body: new RegExp(`${url}/blog/\\?x`),
    })
    t.equal((await box.ssh('url tide')).stdout, `${url}\n`)
  })

  t.test('a push says https, and a new certificate is there while connections stand', async t => {
    const client = await session(t, box.httpsPort, trusting)
    await pages.write('index.html', '<h1>High tide</h1>')
    await pages.commit('Two')
    t.match(await pages.push(), { code: 0, text: new RegExp(url) })
    t.match(await send(['tide.localhost', 'boat.localhost'], 'update'), { code: 0 })
    t.match(await ask2(client, '/', { authority: 'tide.localhost' }), { body: /High tide/ })
    const next = await secure(t, box.httpsPort, trusting)
    t.match(next.getPeerCertificate().subjectaltname, 'DNS:boat.localhost')
  })

  t.test('it outlives the daemon and the proxy', async t => {
    await box.stop()
    await box.start()
    t.match(await ask2(await session(t, box.httpsPort, trusting), '/', { authority: 'tide.localhost' }), {
      status: 200,
      body: /High tide/,
    })
    t.equal((await box.ssh('url tide')).stdout, `${url}\n`)
  })

  t.test('it goes by the name of its app', async t => {
    t.match(await box.ssh('apps:rename tide boat'), { code: 0 })
    const client = await session(t, box.httpsPort, { ...trusting, servername: 'boat.localhost' })
    t.match(await ask2(client, '/', { authority: 'boat.localhost' }), { status: 200, body: /High tide/ })
    await t.rejects(secure(t, box.httpsPort, trusting))
    t.match(await box.ssh('certs:report boat --ssl-enabled'), { stdout: 'true\n' })
  })

  t.test('without it, http answers again; an app that goes takes its own along', async t => {
    t.match(await box.ssh('certs:remove boat'), { code: 0 })
    t.match(await box.get('boat.localhost'), { status: 200, body: /High tide/ })
    t.match(await box.ssh('certs:generate boat boat.localhost'), { code: 0 })
    t.match(await box.get('boat.localhost'), { status: 301 })
    t.match(await box.ssh('--force apps:destroy boat'), { code: 0 })
    t.match(await box.get('boat.localhost'), { status: 404 })
    const stranger = await secure(t, box.httpsPort, { servername: 'boat.localhost' })
    t.equal(stranger.getPeerCertificate().subject.CN, 'no-certificate.invalid')
  })
})
