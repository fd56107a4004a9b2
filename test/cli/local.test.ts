import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { text } from 'node:stream/consumers'

import pino from 'pino'
import { t } from 'tap'

import { frame, jsonFrame, kinds, readFrames } from '../../src/cli/frames.ts'
import { serveLocal } from '../../src/cli/local.ts'
import type { Session } from '../../src/types.ts'
import { davit, door } from './door.ts'

t.test('words, streams and the exit code go through the socket', async t => {
  const { davit } = await door(t, async ({ by, command, local, terminal, stdin, stdout, stderr }) => {
    stdout.write(`out ${JSON.stringify(command)}\n`)
    stderr.write(`err ${by.person} ${by.role} ${local} ${terminal}\n`)
    stdout.write(`in ${(await text(stdin)).toUpperCase()}\n`)
    return 20
  })
  const { child, ended } = davit('config:set', 'shop', 'A=b c', '', "it's")
  child.stdin.end('schön')
  t.strictSame(await ended(), {
    code: 20,
    stdout: `out {"words":["config:set","shop","A=b c","","it's"]}\nin SCHÖN\n`,
    stderr: 'err local admin true undefined\n',
  })
})

t.test('a command that does not read leaves its input unread', async t => {
  const { davit } = await door(t, async () => 3)
  const { child, ended } = davit('x')
  const yes = () => {
    while (!child.stdin.destroyed && child.stdin.write(Buffer.alloc(64 * 1024, 'y')));
  }
  child.stdin.on('drain', yes)
  yes()
  t.match(await ended(), { code: 3 })
})

t.test('input of any size arrives as it was', async t => {
  const size = 20 * 2 ** 20
  const { davit } = await door(t, async ({ stdin, stdout }) => {
    let bytes = 0
    for await (const chunk of stdin) bytes += (chunk as Buffer).length
    stdout.write(`${bytes}`)
    return 0
  })
  const { child, ended } = davit('x')
  child.stdin.end(Buffer.alloc(size, 'x'))
  t.match(await ended(), { code: 0, stdout: `${size}` })
})

t.test('output waits for a slow reader, and all of it arrives before the exit code', async t => {
  const size = 32 * 2 ** 20
  let written = 0
  const { davit } = await door(t, async ({ stdout }) => {
    for (; written < size; written += 2 ** 16)
      if (!stdout.write(Buffer.alloc(2 ** 16, 'x'))) await once(stdout, 'drain')
    return 5
  })
  const { child, exited } = davit('x')
  await once(child.stdout, 'readable')
  await stalled(() => written)
  t.ok(written < size / 4, `${written} of ${size} bytes were written before anybody read`)
  let read = 0
  for await (const chunk of child.stdout) read += chunk.length
  t.equal(read, size)
  t.match(await exited, { code: 5 })
})

t.test('one large write arrives whole', async t => {
  const { davit } = await door(t, async ({ stdout }) => {
    stdout.write(Buffer.alloc(5 * 2 ** 20 + 1, 'x'))
    stdout.write('')
    stdout.write('end')
    return 0
  })
  const { stdout } = await davit('x').ended()
  t.equal(stdout.length, 5 * 2 ** 20 + 4)
  t.ok(stdout.endsWith('end'))
})

t.test('Ctrl-C interrupts the command', async t => {
  const begun = Promise.withResolvers<void>()
  const { davit } = await door(t, async ({ signal }) => {
    begun.resolve()
    await once(signal, 'abort')
    return 130
  })
  const { child, ended } = davit('logs')
  await begun.promise
  child.kill('SIGINT')
  t.match(await ended(), { code: 130 })
})

t.test('Ctrl-C is heard though input that nobody reads stands before it', async t => {
  const { davit } = await door(t, async ({ signal, stdout }) => {
    stdout.write('begun')
    await once(signal, 'abort')
    return 130
  })
  const { child, exited } = davit('logs', '-t')
  child.stdin.write(Buffer.alloc(4 * 2 ** 20, 'y'))
  await once(child.stdout, 'data')
  child.kill('SIGINT')
  child.stdout.resume()
  t.match(await exited, { code: 130 })
})

t.test('a command that listens to signals gets them instead', async t => {
  const begun = Promise.withResolvers<void>()
  const { davit } = await door(t, async session => {
    const heard = new Promise<string>(resolve => session.onSignal(resolve))
    begun.resolve()
    session.stdout.write(`${await heard} ${session.signal.aborted}`)
    return 0
  })
  const { child, ended } = davit('run')
  await begun.promise
  child.kill('SIGINT')
  t.match(await ended(), { code: 0, stdout: 'INT false' })
})

t.test('a client that is gone ends its command, and whatever it still writes harms nobody', async t => {
  const begun = Promise.withResolvers<void>()
  const over = Promise.withResolvers<unknown>()
  const { davit } = await door(t, async ({ signal, stdout, stderr, command }) => {
    if ('words' in command && command.words[0] === 'next') return 7
    begun.resolve()
    await once(signal, 'abort')
    for (let at = 0; at < 50; at++) {
      stdout.write(Buffer.alloc(2 ** 16))
      stderr.write('x')
      await new Promise(resolve => setImmediate(resolve))
    }
    over.resolve('ended')
    return 0
  })
  const { child } = davit('logs', '-t')
  await begun.promise
  child.kill('SIGKILL')
  t.equal(await over.promise, 'ended')
  t.match(await davit('next').ended(), { code: 7 })
})

t.test('input that breaks off is no end of input', async t => {
  const begun = Promise.withResolvers<void>()
  const read = Promise.withResolvers<string>()
  const { davit } = await door(t, async ({ stdin }) => {
    begun.resolve()
    text(stdin).then(read.resolve, error => read.resolve(`broke off: ${error.message}`))
    await read.promise
    return 0
  })
  const { child } = davit('ssh-keys:add', 'ann')
  child.stdin.write('ssh-ed25519 AAAA')
  await begun.promise
  child.kill('SIGKILL')
  t.match(await read.promise, /^broke off: The connection was lost/)
})

t.test('a reader who has enough ends the command without a word', async t => {
  const over = Promise.withResolvers<void>()
  const { davit } = await door(t, async ({ stdout, signal }) => {
    signal.addEventListener('abort', () => over.resolve())
    while (!signal.aborted) {
      stdout.write(`${'line '.repeat(2_000)}\n`)
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    return 0
  })
  const { child, exited } = davit('logs', '-t')
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  await over.promise
  await exited
  t.equal(stderr, '')
})

t.test('a daemon that ends before its command is told', async t => {
  const { path } = await silent(t, socket => socket.destroy())
  t.match(await davit(t, path, ['x']).ended(), {
    code: 1,
    stderr: / ! {5}Davit ended before the command did\./,
  })
})

t.test('no daemon is told with the way out', async t => {
  const { path, server } = await door(t, async () => 0)
  server.close()
  t.match(await davit(t, path, ['apps:list']).ended(), {
    code: 1,
    stderr: new RegExp(` !     No Davit answers at ${path} \\(ENOENT\\)\\.\n !     Start it with: davit up`),
  })
})

t.test('nobody but its owner may use the socket', async t => {
  const { path } = await door(t, async () => 0)
  t.equal((await stat(path)).mode & 0o777, 0o600)
})

t.test('what a killed daemon left is no hindrance, a running one is', async t => {
  const { path } = await door(t, async () => 0)
  const log = pino({ level: 'silent' })
  await t.rejects(serveLocal({ path, run: async () => 0, log }), { code: 'socket-taken', hint: /--socket/ })
  const left = `${path}.left`
  await writeFile(left, '')
  const server = await serveLocal({ path: left, run: async () => 9, log })
  t.teardown(() => server.close())
  t.match(await davit(t, left, ['x']).ended(), { code: 9 })
})

t.test('a client that breaks the protocol is let go, and nobody else notices', async t => {
  const sessions: Session[] = []
  const { dial, davit } = await door(t, async session => {
    sessions.push(session)
    if ('words' in session.command && session.command.words[0] === 'hang') await once(session.signal, 'abort')
    return 0
  })
  const open = jsonFrame(kinds.open, { words: ['hang'] })
  const broken = {
    'no opening': frame(kinds.stdin, Buffer.from('x')),
    'an opening that is no JSON': frame(kinds.open, Buffer.from('{')),
    'an opening of null': jsonFrame(kinds.open, null),
    'an opening without words': jsonFrame(kinds.open, {}),
    'an opening whose words are none': jsonFrame(kinds.open, { words: 7 }),
    'a frame that is too long': Buffer.from([0, 0xff, 0xff, 0xff, 0xff]),
    HTTP: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    'a resize that is no JSON': Buffer.concat([open, frame(kinds.resize, Buffer.from('{'))]),
    'a frame that is too long, later': Buffer.concat([open, Buffer.from([1, 0xff, 0xff, 0xff, 0xff])]),
  }
  for (const [what, bytes] of Object.entries(broken)) {
    const socket = dial()
    const closed = once(socket, 'close')
    socket.on('error', () => undefined).resume()
    socket.write(bytes)
    await closed
    t.pass(what)
  }
  t.match(await davit('fine').ended(), { code: 0 })
  for (const { signal } of sessions) t.ok(signal.aborted)
})

t.test('a client that says half a frame and leaves is forgotten', async t => {
  const { dial, davit } = await door(t, async () => 0)
  const socket = dial()
  socket.end(Buffer.from([0, 0, 0]))
  await once(socket, 'close')
  t.match(await davit('fine').ended(), { code: 0 })
})

t.test('a command that throws takes its own session with it alone', async t => {
  const { davit } = await door(t, async ({ command }) => {
    if ('words' in command && command.words[0] === 'fine') return 0
    throw new Error('a bug')
  })
  t.match(await davit('x').ended(), { code: 1, stderr: /Davit ended before the command did/ })
  t.match(await davit('fine').ended(), { code: 0 })
})

t.test('a terminal and its sizes are told', async t => {
  const sized = Promise.withResolvers<unknown>()
  const ready = Promise.withResolvers<void>()
  const { dial } = await door(t, async ({ terminal, stdout }) => {
    terminal!.onResize(sized.resolve)
    ready.resolve()
    stdout.write(JSON.stringify({ ...terminal, size: await sized.promise }))
    return 0
  })
  const socket = dial()
  socket.write(jsonFrame(kinds.open, { words: ['x'], terminal: { term: 'xterm', cols: 80, rows: 24 } }))
  await ready.promise
  socket.write(jsonFrame(kinds.resize, { cols: 100, rows: 50 }))
  const said: [number, string][] = []
  for await (const { kind, payload } of readFrames(socket)) said.push([kind, payload.toString()])
  t.match(said, [
    [kinds.stdout, '{"term":"xterm","cols":80,"rows":24,"size":{"cols":100,"rows":50}}'],
    [kinds.exit, '0'],
  ])
})

/** Settles when the number has not grown for a while. */
async function stalled(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); ) {
    before = count()
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function silent(t: import('tap').Test, talk: (socket: import('node:net').Socket) => void) {
  const { path, server } = await door(t, async () => 0)
  server.close()
  const other = createServer(talk)
  await once(other.listen(path), 'listening')
  t.teardown(() => other.close())
  return { path }
}
