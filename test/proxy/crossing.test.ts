import type http from 'node:http'

import { t } from 'tap'

import { running } from './running.ts'
import { ask, backend, bareBackend, routeTo } from './stage.ts'

t.jobs = 1

t.test(
  'what crosses from one release to another is told, by release, with losses and the slowest',
  async t => {
    const held: http.ServerResponse[] = []
    const asked = Promise.withResolvers<void>()
    const old = await backend(t, (_req, res) => {
      held.push(res)
      if (held.length === 4) asked.resolve()
    })
    const next = await backend(t, (req, res) => {
      res.statusCode = req.url === '/bad' ? 500 : 200
      res.end('next')
    })
    const proxy = await running(t)
    const control = proxy.edge()
    await control.point({ ...routeTo(old), release: 3 })
    const before = Array.from({ length: 4 }, () => ask(proxy.port, '/slow'))
    await asked.promise
    await control.point({ ...routeTo(next), release: 4 })
    // At once: a second after the pointing nothing counts any more.
    await Promise.all(['/', '/', '/bad'].map(path => ask(proxy.port, path)))
    const told = control.crossing('shop')
    for (const res of held) res.end('old')
    await Promise.all(before)
    const crossing = await told
    t.match(crossing, { requests: 7, lost: 0, errors: 1, underWay: 0 })
    t.match(crossing.byRelease, { 3: 4, 4: 3 })
    t.ok(crossing.slowestMs > 0)
    await ask(proxy.port, '/')
    t.match(await control.crossing('shop'), { requests: 0, byRelease: {} }, 'it is told once')
  },
)

t.test('who stays on the old release holds nobody up for more than a second, and is told', async t => {
  const asked = Promise.withResolvers<void>()
  const old = await bareBackend(t, () => asked.resolve())
  const gone = await bareBackend(t, socket => socket.destroy())
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.point({ ...routeTo(old), release: 3 })
  const hung = ask(proxy.port, '/').catch(() => undefined)
  await asked.promise
  await control.point({ ...routeTo(gone), release: 4 })
  t.match(await ask(proxy.port, '/'), { status: 502 })
  t.match(await control.crossing('shop'), { requests: 1, lost: 1, underWay: 1, byRelease: { 4: 1 } })
  for (const { socket } of old.connections) socket.destroy()
  await hung
})

t.test('without another release there is nothing to cross', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  const nothing = { requests: 0, lost: 0, errors: 0, underWay: 0 }
  await control.point({ ...routeTo(app), release: 1 })
  await ask(proxy.port, '/')
  t.match(await control.crossing('shop'), nothing, 'the first release')
  await control.point({ ...routeTo(app), release: 1, compress: false })
  await ask(proxy.port, '/')
  t.match(await control.crossing('shop'), nothing, 'the same release, served another way')
  await control.point({ ...routeTo(), domains: { 'shop.test': true } })
  await control.point({ ...routeTo(app), release: 2 })
  await ask(proxy.port, '/')
  t.match(await control.crossing('shop'), nothing, 'an app that was stopped')
  t.match(await control.crossing('nobody'), nothing)
})
