import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { t } from 'tap'

import { askAllTheTime } from '../../scripts/attack.d/replacements.ts'
import { isAlive, running } from './running.ts'
import { ask, backend, bareBackend, dial, routeTo } from './stage.ts'

t.jobs = 1

// scripts/attack replacements does this twenty times, at a thousand requests a second.
t.test('three replacements lose no request, on new connections and on kept ones', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t)
  const control = proxy.edge()
  await control.point(routeTo(app))
  const clients = askAllTheTime(proxy.port, { perSecond: 100 })
  const first = proxy.pid()
  for (let was = first, n = 0; n < 3; n++) {
    const answered = clients.answered()
    const next = await control.upgrade()
    t.equal(next.was, was)
    was = next.pid
    while (clients.answered() < answered + 50) await pause(10)
    // What is told after it counts in the new one.
    await control.point({ ...routeTo(app), release: n })
  }
  const { lost, kept } = await clients.end()
  t.same(lost, new Map())
  t.ok(kept > 50, `${kept} went over kept connections`)
  t.match(await control.stats(), { workers: 2 })
  while (await isAlive(first)) await pause(50)
  t.match(await ask(proxy.port, '/'), { status: 200 })
})

t.test('what is under way ends where it began, and a WebSocket is closed in order', async t => {
  const slow = await backend(t, async (_req, res) => {
    res.write('half ')
    await once(slow.server, 'go')
    res.end('whole')
  })
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.point(routeTo(slow))
  const before = dial(proxy.port)
  before.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await before.hears(/half/)
  const socket = await bareBackend(t, socket =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
  )
  await control.point(routeTo(socket))
  const talking = dial(proxy.port)
  const chunks: Buffer[] = []
  talking.socket.on('data', chunk => chunks.push(Buffer.from(chunk)))
  talking.socket.write(
    'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  await talking.hears(/101/)
  await control.upgrade()
  slow.server.emit('go')
  t.match(await before.hears(/whole\r\n0\r\n\r\n$/), /whole/)
  // It was told before that it is kept, and would be for a while.
  before.socket.end()
  await talking.closed
  t.same(Buffer.concat(chunks).subarray(-4), Buffer.from([0x88, 2, 3, 0xe9]), '1001, going away')
  while (await isAlive(proxy.pid())) await pause(50)
})

t.test('what is told after a replacement counts for clients of the one before too', async t => {
  const [one, two] = await Promise.all(['one', 'two'].map(each => backend(t, (_req, res) => res.end(each))))
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.point(routeTo(one!))
  const kept = dial(proxy.port)
  kept.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await kept.hears(/one/)
  await control.upgrade()
  await control.point(routeTo(two!))
  t.match(await ask(proxy.port, '/'), { body: 'two' })
  kept.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  t.match(await kept.hears(/one.*HTTP.*(one|two)$/s), /two$/)
  await kept.closed
  while (await isAlive(proxy.pid())) await pause(50)
  await control.point(routeTo(one!))
  t.match(await ask(proxy.port, '/'), { body: 'one' }, 'with the one before gone')
})

t.test('a program that does not come up leaves the one before, which says why', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.point(routeTo(app))
  const clients = askAllTheTime(proxy.port, { perSecond: 50 })
  for (const [program, why] of [
    ['process.exit(3)', /it ended with exit code 3 before it served/],
    ['process.send({ failed: "there is no room" })', /there is no room/],
    // Its workers wait, and then something is wrong.
    [
      'process.send({ state: "awake" }); process.on("message", () => process.send({ failed: "it was not to be" }))',
      /it was not to be/,
    ],
  ] as const) {
    await writeFile(join(proxy.data, 'next'), program)
    await t.rejects(control.upgrade(), { code: 'upgrade-failed', message: why })
    await control.point(routeTo(app))
  }
  await rm(join(proxy.data, 'next'))
  await control.upgrade()
  t.same((await clients.end()).lost, new Map())
})
