import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net, { type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import pino from 'pino'
import { type Test, t } from 'tap'

import { connectEdge } from '../../src/edge/client.ts'
import { frame, readFrames } from '../../src/edge/frames.ts'
import { requestOf } from '../../src/edge/shape.ts'
import { tellWaiting } from '../../src/edge/waiting.ts'
import { type Framed, type Request, wireVersion } from '../../src/edge/wire.ts'
import type { Out } from '../../src/types.ts'

const log = pino({ level: 'silent' })

t.test('a call made before the proxy is there waits for it', async t => {
  const path = await socketPath(t)
  const edge = connectEdge({ socketPath: path, log })
  t.teardown(() => edge.close())
  const pointed = edge.forget('shop')
  const { heard } = await proxyAt(t, path, (request, answer) => answer({ ok: true, value: request.verb }))
  await pointed
  t.match(heard, [
    { verb: 'hello', version: wireVersion },
    { verb: 'forget', app: 'shop' },
  ])
})

t.test('answers find their questions in any order', async t => {
  const path = await socketPath(t)
  const held: (() => void)[] = []
  await proxyAt(t, path, (request, answer) => {
    if (request.verb === 'hello') answer({ ok: true })
    else if (request.verb === 'drain') {
      held.push(() => answer({ ok: true, value: request.timeoutMs }))
      if (held.length === 3) for (const go of held.reverse()) go()
    }
  })
  const edge = connectEdge({ socketPath: path, log })
  t.teardown(() => edge.close())
  t.same(await Promise.all([1, 2, 3].map(timeoutMs => edge.drain(['10.0.0.1:1'], { timeoutMs }))), [1, 2, 3])
})

t.test(
  'what was asked when the connection broke is asked again, after the listeners have spoken',
  async t => {
    const path = await socketPath(t)
    let broken = false
    const proxy = await proxyAt(t, path, (request, answer, socket) => {
      if (request.verb === 'forget' && !broken) {
        broken = true
        socket.destroy()
      } else answer({ ok: true })
    })
    const edge = connectEdge({ socketPath: path, log })
    t.teardown(() => edge.close())
    edge.onConnect(() => void edge.sync([]))
    await edge.forget('shop')
    t.same(
      proxy.heard.map(({ verb }) => verb),
      ['hello', 'sync', 'forget', 'hello', 'sync', 'forget'],
    )
  },
)

t.test('listeners are called at every connection, late ones at once', async t => {
  const path = await socketPath(t)
  const proxy = await proxyAt(t, path, (_request, answer) => answer({ ok: true }))
  const edge = connectEdge({ socketPath: path, log })
  t.teardown(() => edge.close())
  const connections = counter()
  edge.onConnect(connections.add)
  await connections.reaches(1)
  const late = counter()
  edge.onConnect(late.add)
  await late.reaches(1)
  proxy.cut()
  await connections.reaches(2)
  await late.reaches(2)
})

t.test('a refusal is an error that names the verb', async t => {
  const path = await socketPath(t)
  await proxyAt(t, path, ({ verb }, answer) =>
    answer(verb === 'hello' ? { ok: true } : { ok: false, error: 'no room' }),
  )
  const edge = connectEdge({ socketPath: path, log })
  t.teardown(() => edge.close())
  await t.rejects(edge.sync([]), /refused sync: no room/)
})

t.test('a proxy that is away is said in words once the patience is over', async t => {
  const edge = connectEdge({ socketPath: await socketPath(t), log })
  const call = edge.stats()
  edge.close()
  await t.rejects(call, { code: 'proxy-away' })
  await t.rejects(edge.stats(), { code: 'proxy-away' })
})

t.test('a call that meets a proxy being replaced waits for the next one, and says for what', async t => {
  const path = await socketPath(t)
  const held: (() => void)[] = []
  const old = await proxyAt(t, path, ({ verb }, answer, socket) => {
    if (verb === 'hello') return answer({ ok: true })
    // Nothing is changed until the next one serves, and then this one is gone.
    if (verb === 'upgrade') return void held.push(() => answer({ ok: true, value: { was: 1, pid: 2 } }))
    held.push(() => socket.destroySoon())
  })
  const edge = connectEdge({ socketPath: path, log, patience: { usualMs: 50, replacedMs: 60_000 } })
  t.teardown(() => edge.close())
  const upgraded = edge.upgrade()
  const forgotten = edge.forget('shop')
  const said: string[] = []
  const out = { warn: (line: string) => void said.push(line) } as unknown as Out
  const told = tellWaiting(forgotten, { edge, out, quietMs: 60 })
  await pause(200)
  t.equal(held.length, 2, 'both wait, for longer than is usual')
  t.same(said, ['Waiting for the proxy: it is being replaced.'])
  for (const go of held) go()
  t.same(await upgraded, { was: 1, pid: 2 })
  old.close()
  while (edge.waits() === undefined) await pause(5)
  t.equal(edge.waits(), 'it has ended and is to come up again')
  await pause(100)
  await proxyAt(t, path, (_request, answer) => answer({ ok: true }))
  await told
  t.equal(edge.waits(), undefined)
})

t.test('a proxy that never comes back, or does not answer, is told as what it is', async t => {
  const path = await socketPath(t)
  const proxy = await proxyAt(t, path, ({ verb }, answer) => verb === 'hello' && answer({ ok: true }))
  const edge = connectEdge({ socketPath: path, log, patience: { usualMs: 50, replacedMs: 150 } })
  t.teardown(() => edge.close())
  await t.rejects(edge.forget('shop'), {
    code: 'proxy-away',
    message: 'The proxy has not answered forget within 0.05 s.',
  })
  proxy.close()
  await t.rejects(edge.forget('shop'), {
    code: 'proxy-away',
    message: 'The proxy has not answered forget within 0.15 s: it has ended and is to come up again.',
  })
})

t.test('an answer of another shape ends the connection, not the daemon', async t => {
  const path = await socketPath(t)
  let odd = true
  const proxy = await proxyAt(t, path, (request, answer, socket) => {
    if (request.verb === 'hello' || !odd) return answer({ ok: true, value: { workers: 1 } })
    odd = false
    socket.write(frame({ id: request.id, ok: 'perhaps' }))
  })
  const edge = connectEdge({ socketPath: path, log })
  t.teardown(() => edge.close())
  t.match(await edge.stats(), { workers: 1 })
  t.equal(proxy.heard.filter(({ verb }) => verb === 'stats').length, 2)
})

type Answering = (answer: object) => void

/** The other end, one line per verb. */
async function proxyAt(
  t: Test,
  path: string,
  obey: (request: Framed<Request>, answer: Answering, socket: Socket) => void,
) {
  const heard: Framed<Request>[] = []
  const sockets = new Set<Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    readFrames(socket, message => {
      const request = requestOf(message)
      heard.push(request)
      obey(request, answer => socket.write(frame({ id: request.id, ...answer })), socket)
    })
  })
  server.listen(path)
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const close = () => {
    server.close()
    cut()
  }
  t.teardown(close)
  return { heard, cut, close }
}

async function socketPath(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'davit-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'control.sock')
}

function counter() {
  let count = 0
  const waiting: (() => void)[] = []
  return {
    add: () => {
      count++
      for (const wake of waiting.splice(0)) wake()
    },
    async reaches(wanted: number) {
      while (count < wanted) await new Promise<void>(resolve => waiting.push(resolve))
    },
  }
}
