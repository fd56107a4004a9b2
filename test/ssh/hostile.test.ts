import { once } from 'node:events'
import { connect as dial, type Socket } from 'node:net'

import t, { type Test } from 'tap'

import { connect, numberOf } from './client.ts'
import { type Door, openDoor } from './door.ts'

const fine = { code: 0, stdout: Buffer.from('fine') }

t.test('garbage, at any time, ends nothing but its own connection', async t => {
  const door = await openDoor(t, sayFine, { limits: { loginGraceMs: 300 } })
  const samples = [
    Buffer.from('0123456789\r\n'),
    Buffer.from('SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff', 'latin1'),
    Buffer.from('SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x14aaaaaaaaaaaaaa', 'latin1'),
    Buffer.from('SSH-1.5-x\r\n'),
    Buffer.alloc(20_000, 'x'),
  ]
  for (const sample of samples) {
    const socket = await knock(t, door)
    socket.write(sample)
    await gone(socket)
  }
  const rude = await knock(t, door)
  rude.write('SSH-2.0-x\r\n')
  rude.resetAndDestroy()
  t.match(await door.ssh(['x']), fine)
})

t.test('who does not sign in within the grace is sent away, spoken or not', async t => {
  const door = await openDoor(t, sayFine, { limits: { loginGraceMs: 200 } })
  const [silent, polite] = [await knock(t, door), await knock(t, door)]
  polite.write('SSH-2.0-x\r\n')
  await Promise.all([gone(silent), gone(polite)])
  t.match(await door.ssh(['x']), fine)
})

t.test('one address cannot take all the places, and signing in frees one', async t => {
  const door = await openDoor(t, sayFine, { limits: { pendingPerAddress: 2 } })
  await connect(t, door)
  await connect(t, door)
  const waiting = [await knock(t, door), await knock(t, door)]
  const turnedAway = dial(door.server.port, '127.0.0.1')
  await gone(turnedAway)
  t.equal(turnedAway.bytesRead, 0)
  for (const socket of waiting) socket.destroy()
  await untilConnected(t, door)
})

t.test('there are only so many connections', async t => {
  const door = await openDoor(t, sayFine, { limits: { connections: 2 } })
  await connect(t, door)
  await connect(t, door)
  await t.rejects(connect(t, door))
})

t.test('a connection has only so many sessions', async t => {
  let running = 0
  const door = await openDoor(
    t,
    async ({ signal }) => {
      running++
      await once(signal, 'abort')
      return 0
    },
    { limits: { sessionsPerConnection: 5 } },
  )
  const { exec } = await connect(t, door)
  const opened = await Promise.allSettled(Array.from({ length: 500 }, () => exec('wait')))
  t.equal(opened.filter(({ status }) => status === 'fulfilled').length, 5)
  t.equal(running, 5)
})

t.test('who sends more than the window allows is ended, and little of it is kept', async t => {
  const door = await openDoor(t, async ({ signal, stdin }) => {
    await once(signal, 'abort')
    t.ok(stdin.readableLength < 4 * 1024 * 1024)
    return 0
  })
  const { client, inside, exec } = await connect(t, door)
  client.on('error', () => {})
  const channel = await exec('unread')
  const closed = once(client, 'close')
  for (let sent = 0; sent < 8 * 1024 * 1024; sent += 32_000)
    inside._protocol.channelData(numberOf(channel), Buffer.alloc(32_000))
  await closed
  t.pass()
})

t.test('a client that grants a huge window and reads nothing holds the writer, and is ended', async t => {
  const chunk = Buffer.alloc(64 * 1024)
  let written = 0
  const before = process.memoryUsage().rss
  const ends = new Promise<void>(done =>
    openDoor(
      t,
      async ({ stdout, signal }) => {
        while (!signal.aborted) {
          if (!stdout.write(chunk)) await Promise.race([once(stdout, 'drain'), once(signal, 'abort')])
          written += chunk.length
        }
        done()
        return 0
      },
      { limits: { idleWriteMs: 1000 } },
    ).then(async door => {
      const { client, inside, exec } = await connect(t, door)
      client.on('error', () => {})
      const channel = await exec('big')
      inside._protocol.channelWindowAdjust(numberOf(channel), 0x7fffffff)
      inside._sock.pause()
    }),
  )
  await ends
  const grown = process.memoryUsage().rss - before
  t.ok(written < 32 * 1024 * 1024, `${written} bytes written`)
  t.comment(`${written} bytes were written, memory grew by ${grown}`)
})

t.test('a client that asks and asks and reads no answer is ended', async t => {
  const door = await openDoor(t, sayFine, { limits: { idleWriteMs: 200 } })
  const { client, inside } = await connect(t, door)
  client.on('error', () => {})
  const socket = inside._sock
  socket.pause()
  while (!socket.destroyed) {
    for (let at = 0; at < 1000 && socket.writable; at++) inside._protocol.ping()
    await new Promise(setImmediate)
  }
  await gone(socket)
  t.match(await door.ssh(['x']), fine)
})

t.test('a packet size of nothing does not spin the server', async t => {
  const door = await openDoor(t, sayFine)
  const { client, inside } = await connect(t, door)
  client.on('error', () => {})
  const closed = once(client, 'close')
  inside._protocol.session(0, 1024 * 1024, 0)
  await closed
  t.match(await door.ssh(['x']), fine)
})

t.test('connections that die in the middle of everything leave the server standing', async t => {
  const door = await openDoor(t, async ({ stdin, stdout, stderr, signal }) => {
    stdin.resume()
    while (!signal.aborted) {
      stderr.write('noise')
      if (!stdout.write(Buffer.alloc(100_000)))
        await Promise.race([once(stdout, 'drain'), once(signal, 'abort')])
    }
    stdout.write('after')
    stderr.end('after')
    return 0
  })
  for (let at = 0; at < 20; at++) {
    const { client, inside, exec } = await connect(t, door)
    client.on('error', () => {})
    const channel = await exec('noise')
    channel.write(Buffer.alloc(500_000))
    await once(channel, 'data')
    if (at % 3 === 0) inside._sock.resetAndDestroy()
    else if (at % 3 === 1) inside._sock.write(Buffer.alloc(100, 0xff))
    else channel.close()
  }
  await connect(t, door)
})

async function sayFine({ stdout }: { stdout: NodeJS.WritableStream }): Promise<number> {
  stdout.write('fine')
  return 0
}

async function knock(t: Test, { server }: Door): Promise<Socket> {
  const socket = dial(server.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'data')
  return socket
}

/** The server learns of a socket that was closed a moment later. */
async function untilConnected(t: Test, door: Door): Promise<void> {
  for (;;) {
    if (
      await connect(t, door).then(
        () => true,
        () => false,
      )
    )
      return
  }
}

async function gone(socket: Socket): Promise<void> {
  socket.on('error', () => {})
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
}
