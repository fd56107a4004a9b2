import net, { type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import tls from 'node:tls'

import { t } from 'tap'

import { chanceOf } from './chance.ts'
import { backend, routeTo, secureStage } from './stage.ts'

const host = 'Host: shop.test\r\n'
const body = 'x'.repeat(100_000)

/** What clients begin to say. */
const talks = [
  `GET /now HTTP/1.1\r\n${host}\r\n`.repeat(3),
  `GET /now HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`,
  `GET /late HTTP/1.1\r\n${host}\r\nGET /now HTTP/1.1\r\n${host}\r\n`,
  `GET /big HTTP/1.1\r\n${host}\r\nGET /big HTTP/1.1\r\n${host}Accept-Encoding: gzip\r\n\r\n`,
  `GET /half HTTP/1.1\r\n${host}\r\n`,
  `GET /never HTTP/1.1\r\n${host}\r\n`,
  `GET /broken HTTP/1.1\r\n${host}\r\n`,
  `POST /late HTTP/1.1\r\n${host}Content-Length: 100000\r\n\r\n${body}GET /now HTTP/1.1\r\n${host}\r\n`,
  `POST /deaf HTTP/1.1\r\n${host}Content-Length: 9000000\r\n\r\n${body.repeat(60)}`,
  `POST /early HTTP/1.1\r\n${host}Content-Length: 9000000\r\n\r\n${body.repeat(20)}`,
  `POST /early HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n186a0\r\n${body}\r\n0\r\n\r\nGET /now HTTP/1.1\r\n${host}\r\n`,
  `POST /late HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
  `POST /late HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n`,
  `GET /switch HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello`,
  `GET /refused HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  `GET /never HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'nonsense\r\n\r\n',
]

t.test('clients that leave in whatever state leave nothing behind', async t => {
  const chance = chanceOf(815)
  const app = await backend(t, (req, res) => {
    req.on('error', () => undefined)
    switch (req.url) {
      case '/never':
      case '/deaf':
        return
      case '/broken':
        res.write('begun')
        return void setTimeout(() => res.destroy(), 5)
      case '/half':
        return void res.write('begun')
      case '/early':
        return void res.end('enough')
      case '/big':
        res.setHeader('Content-Type', 'text/plain')
        return void res.end(body.repeat(30))
      case '/late':
        return void req.resume().once('end', () => setTimeout(() => res.end('late'), 20))
    }
    res.end('now')
  })
  app.server.on('upgrade', (req, socket: Socket) => {
    socket.on('error', () => undefined)
    if (req.url === '/never') return
    if (req.url === '/refused') return void socket.end('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno')
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    socket.pipe(socket)
  })
  const limits = {
    ...{ headMs: 600, keepAliveMs: 600, streamIdleMs: 1500, answerMs: 1500, handshakeMs: 1000 },
    ...{ socketIdleMs: 1000, patienceMs: 60_000, takeMs: 60_000 },
  }
  const { port, httpsPort, traffic, trips, parts } = await secureStage(t, [routeTo(app)], { limits })
  let entered = 0
  const { enter } = parts
  Object.assign(parts, {
    enter: (...all: Parameters<typeof enter>) => {
      entered++
      enter(...all)
    },
  })
  const connect = (): Socket => {
    if (chance(2) === 0) return net.connect(port, '127.0.0.1')
    return tls.connect({
      port: httpsPort,
      host: '127.0.0.1',
      servername: 'shop.test',
      rejectUnauthorized: false,
    })
  }
  const leave = (socket: Socket) => {
    switch (chance(5)) {
      case 0:
        return void socket.destroy()
      case 1:
        return void ('encrypted' in socket ? socket.destroy() : socket.resetAndDestroy())
      case 2:
        return void socket.end()
      case 3:
        // Stays, and takes nothing.
        return void socket.pause()
    }
  }
  const one = async () => {
    const socket = connect()
    socket.on('error', () => undefined)
    if (chance(3) > 0) socket.resume()
    const talk = Buffer.from(talks[chance(talks.length)]!)
    const said = chance(3) === 0 ? talk.subarray(0, chance(talk.length)) : talk
    const at = chance(said.length)
    socket.write(said.subarray(0, at))
    if (chance(2) === 0) await pause(chance(30))
    socket.write(said.subarray(at))
    if (chance(4) > 0) await pause(chance(60))
    leave(socket)
    sockets.push(socket)
    // The rest of a body whose answer has been given is waited for, longer than a test may take.
    if (talk.includes('/early')) patient.push(socket)
  }
  const sockets: Socket[] = []
  const patient: Socket[] = []
  for (let count = 0; count < 16; count++) {
    await Promise.all(Array.from({ length: 20 }, one))
  }
  for (const socket of patient) socket.destroy()
  // Whoever is still there stays until the proxy has had enough.
  await parts.guard.empty(15_000)
  t.equal(parts.guard.open(), 0, 'connections')
  t.equal(traffic.stats().inFlight, 0, 'requests in flight')
  t.equal(trips.filter(({ app }) => app !== undefined).length, entered, 'each is told of once')
  t.equal(new Set(trips).size, trips.length, 'and no more than that')
  for (const socket of sockets) socket.destroy()
})
