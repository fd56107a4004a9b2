import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import type net from 'node:net'

import { t } from 'tap'

import { loadAndLeave } from '../../scripts/attack.d/leaks.ts'
import { openApp } from '../../scripts/attack.d/stand.ts'
import { routeTo, stage } from './stage.ts'

// scripts/attack leaks does this a million times, and looks at the heap too.
t.test('clients that leave at every point of a request leave nothing open', async t => {
  const app = await openApp(t)
  const { port, traffic, server, upstreams } = await stage(t, [
    routeTo({ host: '127.0.0.1', port: app.port }),
  ])
  const closed = [connectionsClosed(server), connectionsClosed(app.server)]
  const { signal } = new AbortController()
  const before = await descriptors()
  t.equal(await loadAndLeave({ port, seed: 4, requests: 500, aborts: 300, signal }), 0)
  const name = `127.0.0.1:${app.port}`
  t.equal(
    await traffic.drain([name], { timeoutMs: 10_000, websocketMs: 10_000 }),
    0,
    'no request is under way',
  )
  upstreams.release(name)
  for (const all of closed) await all()
  const after = await descriptors()
  t.ok(after <= before + 5, `${after} descriptors after ${before}`)
})

const descriptors = async () => (await readdir('/proc/self/fd')).length

/** Settles when each connection that was made has been closed. */
function connectionsClosed(server: net.Server) {
  const open = new Set<unknown>()
  server.on('connection', (socket: net.Socket) => {
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      server.emit('gone')
    })
  })
  return async () => {
    while (open.size > 0) await once(server, 'gone')
  }
}
