import { t } from 'tap'

import { attackHellos } from '../../scripts/attack.d/hellos.ts'
import { attackAndReset } from '../../scripts/attack.d/resets.ts'
import { backend, routeTo, secureStage } from './stage.ts'

const { signal } = new AbortController()

// scripts/attack does both thousands of times.
t.test('a WebSocket that ends at any step, by its client or the app, leaves nothing open', async t => {
  const { counts, wrong, survived } = await attackAndReset(t, { seed: 4, count: 200, signal })
  t.same(wrong, [])
  t.ok(survived)
  t.equal(Object.keys(counts).length, 36)
})

t.test('garbage, lies and hostile names in place of a TLS handshake are nothing to others', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const { counts, wrong } = await attackHellos({ port: httpsPort, seed: 4, count: 500, signal })
  t.same(wrong, [])
  t.match(counts, { 'a good client was served': 1 })
  t.ok(counts['a handshake was begun']! > 20)
  t.ok(counts['an alert was said']! > 100)
  t.equal(
    Object.values(counts).reduce((sum, each) => sum + each),
    501,
  )
})
