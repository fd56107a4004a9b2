import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'

import type { AppName } from '../../src/types.ts'
import { running } from '../../test/proxy/running.ts'
import { type Random, randomOf } from '../chaos.d/random.ts'
import { acceptOf } from './frames.ts'
import type { Ground } from './ground.ts'

export interface ResetsAttack {
  readonly seed: number
  readonly count: number
  readonly signal: AbortSignal
}

/** What one side says before it goes, in order; it goes after so many of them. */
const steps = ['nothing', 'half of a head', 'a head', 'half of a frame', 'a frame', 'a close frame'] as const

type Step = (typeof steps)[number]

const goings = {
  'is reset': (socket: Socket) => socket.resetAndDestroy(),
  'is destroyed': (socket: Socket) => socket.destroy(),
  'is ended': (socket: Socket) => socket.end(),
}

type Going = keyof typeof goings

/** WebSockets whose client or app goes at every step. Tells what was still open some time after. */
export async function attackAndReset(
  ground: Pick<Ground, 'teardown'>,
  { seed, count, signal }: ResetsAttack,
) {
  const app = await openApp(ground)
  const proxy = await running(ground)
  await proxy.edge().sync([
    {
      app: 'shop' as AppName,
      domains: { 'shop.test': true },
      upstreams: { 'shop.web.1': { host: '127.0.0.1', port: app.port } },
    },
  ])
  const pids = (await proxy.workers()).join()
  const counts: Record<string, number> = {}
  const wrong: string[] = []
  let next = 1
  const visitor = async () => {
    while (next <= count && !signal.aborted) {
      const random = randomOf(seed * 1_000_003 + next++)
      const who = random.pick(['the client', 'the app'] as const)
      const [step, going] = [random.pick(steps), random.pick(Object.keys(goings) as Going[])]
      const name = `${who} ${going} after ${step}`
      counts[name] = (counts[name] ?? 0) + 1
      const path = who === 'the app' ? `/${steps.indexOf(step)}/${encodeURI(going)}` : '/'
      if (!(await visit(proxy.port, path, who === 'the client' ? { step, going, random } : undefined)))
        wrong.push(`${name}: its client was still connected ten seconds later`)
    }
  }
  await Promise.all(Array.from({ length: 24 }, visitor))
  const left = await app.left()
  if (left > 0) wrong.push(`${left} of the app's connections stay open`)
  return { counts, wrong, survived: pids === (await proxy.workers()).join() }
}

const head = (first: string, more: string) =>
  `${first}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n\r\n`

const asked = (path: string) =>
  head(
    `GET ${path} HTTP/1.1`,
    'Host: shop.test\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  )

/** Frames of a client: masked with zeros (RFC 6455 5.2). */
const [frame, close] = ['\x81\x85\0\0\0\0hello', '\x88\x82\0\0\0\0\x03\xe8']

/** What has been said by the end of a step. */
function said(step: Step, opening: string, [frame, close]: readonly [string, string]): string {
  const at = steps.indexOf(step)
  if (at < 2) return opening.slice(0, at * 30)
  return opening + ['', frame.slice(0, 4), frame, frame + close][at - 2]
}

interface Leaving {
  readonly step: Step
  readonly going: Going
  readonly random: Random
}

/** Whether its connection closed in time. One that does not leave by itself answers a close, and ends when the other side has. */
function visit(port: number, path: string, leaving: Leaving | undefined): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    const late = setTimeout(() => {
      resolve(false)
      socket.destroy()
    }, 10_000)
    let heard = ''
    let open = false
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(late)
      resolve(true)
    })
    const go = ({ going, random }: Leaving) => setTimeout(goings[going], random.between(0, 3), socket)
    socket.on('data', chunk => {
      heard += chunk.toString('latin1')
      if (open || !heard.includes('\r\n\r\n')) return
      open = true
      if (!heard.includes(' 101 ')) return void socket.end()
      if (!leaving) return void socket.write(frame + close, 'latin1')
      socket.write(said(leaving.step, '', [frame, close]), 'latin1', () => go(leaving))
    })
    const late101 = leaving && steps.indexOf(leaving.step) > 2
    const opening = asked(path)
    if (!leaving || late101) return void socket.write(opening)
    socket.write(said(leaving.step, opening, [frame, close]), 'latin1', () => go(leaving))
  })
}

/** `/STEP/GOING`: says so much, and goes. Any other: says what it hears, until a close, which it answers. */
async function openApp(ground: Pick<Ground, 'teardown'>) {
  const sockets = new Set<Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let heard = ''
    socket.on('data', chunk => {
      const before = heard
      heard += chunk.toString('latin1')
      if (!heard.includes('\r\n\r\n')) return
      const [, at, going] = /^GET \/(\d)\/([^ ]+)/.exec(heard) ?? []
      const key = /sec-websocket-key: *(\S+)/i.exec(heard)?.[1] ?? ''
      const opening = head('HTTP/1.1 101 Switching Protocols', `Sec-WebSocket-Accept: ${acceptOf(key)}`)
      if (at !== undefined) {
        if (before.includes('\r\n\r\n')) return
        const words = said(steps[Number(at)]!, opening, ['\x81\x05hello', '\x88\x02\x03\xe8'])
        return void socket.write(words, 'latin1', () => goings[decodeURI(going!) as Going]?.(socket))
      }
      if (!before.includes('\r\n\r\n')) socket.write(opening)
      if (heard.includes(close)) socket.end('\x88\x02\x03\xe8', 'latin1')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ground.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    port: (server.address() as AddressInfo).port,
    /** Connections that are open though nobody uses them; those kept for another request go within seconds. */
    async left() {
      for (let turn = 0; sockets.size > 0 && turn < 100; turn++)
        await new Promise(resolve => setTimeout(resolve, 100))
      return sockets.size
    },
  }
}
