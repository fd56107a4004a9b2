import { once } from 'node:events'
import { createServer as createHttp, type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'

import { type Test, t } from 'tap'

import { ready } from '../../src/deploy/checks.ts'
import type { ContainerInfo, Engine } from '../../src/docker/engine.ts'
import type { Container } from '../../src/types.ts'
import { shop } from '../core/workshop.ts'

// Several wait two seconds, as a process that speaks no HTTP is waited for.
t.jobs = 8

test('a web process is ready with its first answer, whatever it is', async t => {
  for (const status of [200, 301, 404, 401]) {
    const judged = await web(t, (_, response) => response.writeHead(status).end())
    await judged.ready()
    t.strictSame(judged.warnings, [])
  }
})

test("it is asked for / as the app's first domain", async t => {
  const asked = Promise.withResolvers<unknown>()
  const judged = await web(t, ({ method, url, headers }, response) => {
    asked.resolve([method, url, headers.host])
    response.end()
  })
  await judged.ready()
  t.strictSame(await asked.promise, ['GET', '/', 'shop.example.com'])
})

test('the head of an answer is enough', async t => {
  const judged = await web(t, (_, response) => void response.writeHead(200).write('and then'))
  await judged.ready()
  t.strictSame(judged.warnings, [])
})

test('an error page is ready, with a warning', async t => {
  const judged = await web(t, (_, response) => response.writeHead(503).end())
  await judged.ready()
  t.strictSame(judged.warnings, ['GET / answered 503; the release goes live all the same.'])
})

test('a slow first page is waited for', async t => {
  let answered = false
  const judged = await web(t, (_, response) => {
    setTimeout(() => {
      answered = true
      response.end()
    }, 700)
  })
  await judged.ready()
  t.ok(answered)
  t.strictSame(judged.warnings, [])
})

test('a process that begins to listen later is waited for', async t => {
  const { port, close } = await listening(t, createServer())
  await close()
  const judged = judge({ port })
  const done = judged.ready()
  await judged.looked(3)
  const server = createHttp((_, response) => response.end())
  t.teardown(() => server.close())
  server.listen(port, '127.0.0.1')
  await done
})

test('a process that accepts and does not answer is not ready', async t => {
  const { port } = await listening(
    t,
    createServer(() => undefined),
  )
  const judged = judge({ port, deadlineMs: 400, lines: ['Waiting for the tide'] })
  await t.rejects(judged.ready(), {
    code: 'not-ready',
    message: /^web accepts connections on port \d+ but did not answer GET \/ within 0 s\.$/,
    lines: ['Waiting for the tide'],
  })
})

test('a process that does not listen is not ready at the deadline', async t => {
  const { port, close } = await listening(t, createServer())
  await close()
  await t.rejects(judge({ port, deadlineMs: 300 }).ready(), {
    message: /^web did not listen on port \d+ within 0 s\.$/,
    hint: /\$PORT/,
  })
})

test('a process that ends is not waited for, even while it keeps a connection', async t => {
  const engine = machine()
  const { port } = await listening(
    t,
    createServer(() => engine.end({ exitCode: 3 })),
  )
  const judged = judge({ port, engine, lines: ["ModuleNotFoundError: No module named 'app'"] })
  await t.rejects(judged.ready(), {
    message: 'web exited with 3 before it was ready.',
    hint: /does not find app/,
  })
})

test('one that was killed for its memory is told so', async t => {
  const engine = machine()
  engine.end({ exitCode: 137, outOfMemory: true })
  await t.rejects(judge({ port: 1, engine }).ready(), { message: /used more memory than it may/ })
})

test('a container that is gone altogether is not ready', async t => {
  const engine = machine()
  engine.gone()
  await t.rejects(judge({ port: 1, engine }).ready(), { code: 'not-ready', lines: [] })
})

for (const [what, talk] of Object.entries<(socket: Socket) => void>({
  'greets first': socket => void socket.write('SSH-2.0-x\r\n'),
  'closes at once': socket => void socket.end(),
  'resets at once': socket => void socket.resetAndDestroy(),
})) {
  test(`one that ${what} is ready when it stayed up, with a warning`, async t => {
    const { port } = await listening(t, createServer(talk))
    const began = Date.now()
    const judged = judge({ port })
    await judged.ready()
    t.ok(Date.now() - began >= 2_000)
    t.strictSame(judged.warnings, ['The web process accepts connections but speaks no HTTP.'])
  })
}

test('one that drops its first connections and then speaks HTTP is ready as any other', async t => {
  let asked = 0
  const judged = await web(t, ({ socket }, response) => (++asked < 4 ? socket.destroy() : response.end()))
  await judged.ready()
  t.strictSame(judged.warnings, [])
})

test('one that speaks no HTTP and then ends is not ready', async t => {
  const engine = machine()
  const { port } = await listening(
    t,
    createServer(socket => {
      socket.end()
      setTimeout(() => engine.end({ exitCode: 1 }), 500)
    }),
  )
  await t.rejects(judge({ port, engine }).ready(), { message: /exited with 1/ })
})

test('a process without traffic is ready when it stayed up', async t => {
  const began = Date.now()
  await judge({ process: 'worker', port: 1 }).ready()
  t.ok(Date.now() - began >= 2_000)
})

test('a process without traffic that ends is not ready', async t => {
  const engine = machine()
  const judged = judge({ process: 'worker', port: 1, engine })
  const done = judged.ready()
  await judged.looked(2)
  engine.end({ exitCode: 0 })
  await t.rejects(done, {
    message: 'worker exited (0) before it was ready.',
    hint: /has to keep running/,
  })
})

test('who cancels is not kept waiting, and nothing stays connected', async t => {
  const connected = Promise.withResolvers<Socket>()
  const { port } = await listening(t, createServer(connected.resolve))
  const leave = new AbortController()
  const done = judge({ port, signal: leave.signal }).ready()
  const closed = once(await connected.promise, 'close')
  leave.abort()
  await t.rejects(done, { code: 'cancelled' })
  await closed
})

test('who cancelled before is not asked for', async t => {
  await t.rejects(judge({ port: 1, signal: AbortSignal.abort() }).ready(), { code: 'cancelled' })
})

function test(sentence: string, work: (t: Test) => Promise<void>): void {
  void t.test(sentence, { buffered: true }, work)
}

/** What the engine says of one container. */
interface Machine extends Pick<Engine, 'inspect'> {
  end(how: { exitCode: number; outOfMemory?: boolean }): void
  gone(): void
}

function machine(): Machine {
  let info: ContainerInfo | undefined = {
    id: 'x',
    name: 'test-shop.web.1.abcd',
    labels: {},
    state: 'running',
    exitCode: null,
    outOfMemory: false,
    restarts: 0,
    addresses: {},
    startedAt: new Date(),
    createdAt: new Date(),
  }
  return {
    inspect: async () => info,
    end: how => {
      info = info && { ...info, state: 'exited', ...how }
    },
    gone: () => {
      info = undefined
    },
  }
}

interface Judged {
  readonly process?: string
  readonly port: number
  readonly engine?: Machine
  readonly lines?: readonly string[]
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

function judge(given: Judged) {
  const { process = 'web', port, engine = machine(), lines = [] } = given
  const { deadlineMs = 20_000, signal = new AbortController().signal } = given
  const warnings: string[] = []
  const looks: (() => void)[] = []
  const container: Container = {
    id: 1,
    app: shop,
    process,
    index: 1,
    release: 1,
    name: 'test-shop.web.1.abcd',
    address: '127.0.0.1',
    port,
    spec: 'f00d',
    state: 'starting',
  }
  const asked: Pick<Engine, 'inspect' | 'logs'> = {
    inspect(name) {
      for (const each of looks.splice(0)) each()
      return engine.inspect(name)
    },
    async *logs() {
      for (const text of lines) yield { at: new Date(), stream: 'stdout' as const, text }
    },
  }
  const readiness = {
    host: 'shop.example.com',
    deadlineMs,
    signal,
    warn: (text: string) => void warnings.push(text),
  }
  return {
    warnings,
    ready: () => ready(container, readiness, asked as Engine),
    /** Settles when the engine was asked so many times more. */
    async looked(times: number) {
      for (let at = 0; at < times; at++) await new Promise<void>(resolve => looks.push(resolve))
    },
  }
}

async function web(t: Test, answer: RequestListener) {
  const { port } = await listening(t, createHttp(answer))
  return judge({ port })
}

async function listening(t: Test, server: ReturnType<typeof createServer>) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => undefined))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise(resolve => server.close(resolve))
  }
  t.teardown(close)
  return { port, close }
}
