import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'

import t from 'tap'

import { ask2, secure, session } from '../proxy/client2.ts'
import { ask, dial } from '../proxy/stage.ts'
import { freePort, sandbox } from './sandbox.ts'

/** Answers HTTP where it is told to, and on 7000 every line with itself. */
const server = (release: string) => `
require('node:http')
  .createServer((req, res) => res.end('${release} ' + req.headers.host + ' ' + req.headers['x-forwarded-proto']))
  .listen(process.env.PORT)
require('node:net')
  .createServer(socket => socket.on('error', () => {}).on('data', said => socket.write('${release} heard ' + said)))
  .listen(7000)
`

t.test('other ports of the host lead to an app over SSH, through deploys, to their end', async t => {
  const box = await sandbox(t)
  const dock = await box.checkout('node-bare', 'dock')
  await dock.write('server.js', server('one'))
  await dock.commit('Two')
  t.match(await dock.push(), { code: 0 })
  const [tcp, http, https] = [await freePort(), await freePort(), await freePort()]
  const list = async () => (await box.ssh('ports:list dock')).stdout.trim().split(/\s*\n\s*/)

  const heard = async (words: string) => {
    const client = dial(tcp)
    client.socket.write(words)
    const answer = await client.hears(/./)
    client.socket.destroy()
    return answer
  }

  await t.test('they are added while the app serves, and answer at once', async t => {
    const containers = await box.containers()
    const added = await box.ssh(`ports:add dock tcp:${tcp}:7000 http:${http}:5000 https:${https}:5000`)
    t.match(added, { code: 0, stdout: new RegExp(`tcp:${tcp}:7000 http:${http}:5000 https:${https}:5000`) })
    t.same(await box.containers(), containers, 'no container was replaced')
    t.match(
      await list(),
      ['http', 'tcp', 'http', 'https'].map(each => new RegExp(`^${each} `)),
    )
    t.equal(await heard('hello'), 'one heard hello')
    t.match(await ask(http, '/', { host: 'any.test' }), { status: 200, body: 'one any.test http' })
    const client = await session(t, https)
    t.match(await ask2(client, '/'), { status: 200, body: 'one shop.test https' })
    t.match(await box.get('dock.localhost'), { status: 200, body: 'one dock.localhost http' })
  })

  await t.test('they lead to the next release with the hostname', async t => {
    const open = dial(tcp)
    open.socket.write('before')
    await open.hears(/one heard before/)
    await dock.write('server.js', server('two'))
    await dock.commit('Three')
    t.match(await dock.push(), { code: 0 })
    t.equal(await heard('after'), 'two heard after')
    t.match(await ask(http, '/'), { body: 'two shop.test http' })
    t.match(await ask2(await session(t, https), '/'), { body: 'two shop.test https' })
    open.socket.write('still')
    t.match(await open.hears(/still/), /one heard still$/, 'what stood goes on for a while')
    open.socket.destroy()
  })

  await t.test('they are there again after everything has been down', async t => {
    await box.stop()
    await t.rejects(ask(http, '/'), { code: 'ECONNREFUSED' })
    await box.start()
    t.equal(await heard('again'), 'two heard again')
    t.match(await ask(http, '/'), { status: 200 })
    const one = await secure(t, https, { ALPNProtocols: ['http/1.1'] })
    one.write('GET / HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n')
    await once(one, 'close')
    t.match(one.heard(), /two x\.test https/)
  })

  await t.test('one that another program has is refused plainly, and the rest stays as it was', async t => {
    const other = net.createServer(socket => socket.end('mine')).listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.teardown(() => other.close())
    const { port } = other.address() as AddressInfo
    const before = await list()
    t.match(await box.ssh(`ports:add dock tcp:${port}:7000`), {
      code: 1,
      stderr: new RegExp(` !     Port ${port} cannot be opened: another program has it\\.`),
    })
    t.match(await box.ssh(`ports:add dock tcp:${box.httpPort}:7000`), {
      code: 1,
      stderr: new RegExp(`Port ${box.httpPort} is Davit's own`),
    })
    t.same(await list(), before)
    t.equal(await dial(port).hears(/mine/), 'mine')
    t.equal(await heard('fine'), 'two heard fine')
  })

  await t.test('one that is removed is closed, and the others are not', async t => {
    t.match(await box.ssh(`ports:remove dock ${tcp} ${http}`), { code: 0 })
    for (const port of [tcp, http]) await t.rejects(ask(port, '/'), { code: 'ECONNREFUSED' })
    t.match(await ask2(await session(t, https), '/'), { status: 200 })
    t.match(await box.ssh('--force apps:destroy dock'), { code: 0 })
    await t.rejects(ask(https, '/'), { code: 'ECONNREFUSED' })
  })
})
