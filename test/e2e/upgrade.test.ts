import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'

import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('proxy:upgrade over SSH puts another proxy in place of the running one', async t => {
  const box = await sandbox(t)
  await box.ssh('apps:create shop')
  const shop = await box.checkout('dockerfile-base', 'shop')
  t.equal((await shop.push()).code, 0)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const kept = async () => {
    const req = http.get({
      port: box.httpPort,
      host: '127.0.0.1',
      headers: { host: 'shop.localhost' },
      agent,
    })
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    res.resume()
    await once(res, 'end')
    return { status: res.statusCode, connection: res.headers.connection }
  }
  t.match(await kept(), { status: 200, connection: 'keep-alive' })

  const said = await box.ssh('proxy:upgrade')
  t.match(said, {
    code: 0,
    stderr: '',
    stdout: /^The proxy is replaced: process \d+ serves in place of \d+\n$/,
  })
  const [pid, was] = said.stdout.match(/\d+/g)!
  // Its worker may be the last to leave; until then the connection is one like any other.
  let told = await kept()
  while (told.connection !== 'close') told = await kept()
  t.equal(told.status, 200, 'who has kept a connection is told to come anew')
  t.match(await kept(), { status: 200, connection: 'keep-alive' })

  t.match(await box.ssh('maintenance:enable shop'), { code: 0 })
  t.equal((await box.get('shop.localhost')).status, 503, 'what is told after it is in force')
  const again = await box.ssh('proxy:upgrade')
  t.match(again.stdout, new RegExp(`in place of ${pid}\n`))
  t.notMatch(again.stdout, new RegExp(`process ${was} `))
  t.equal((await box.get('shop.localhost')).status, 503)
})
