import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

import t from 'tap'

import { plainEnv } from '../../src/settings.ts'
import type { Session } from '../../src/types.ts'
import { connect } from './client.ts'
import { type Door, ended, openDoor } from './door.ts'

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')

t.test('a command gets its line as typed, and the client its output and exit code', async t => {
  const { ssh } = await openDoor(t, async ({ command, stdout, stderr, by, local }) => {
    stdout.write(`${JSON.stringify(command)} ${by.person} ${local}\n`)
    stderr.write('aside\n')
    return 20
  })
  const { code, stdout, stderr } = await ssh(['apps:list', "'a  b'"])
  t.match(
    { code, stdout: stdout.toString(), stderr },
    { code: 20, stdout: `{"line":"apps:list 'a  b'"} ed25519 false\n`, stderr: 'aside\n' },
  )
})

t.test('without a command the line is empty', async t => {
  const { ssh } = await openDoor(t, async ({ command, stdout }) => {
    stdout.write(JSON.stringify(command))
    return 0
  })
  t.match(await ssh([]), { code: 0, stdout: Buffer.from('{"line":""}') })
})

t.test('50 MB come back as they were sent, with keys exchanged on the way', async t => {
  const data = randomBytes(50 * 1024 * 1024)
  const { ssh } = await openDoor(t, echo, { limits: { rekeyBytes: 8 * 1024 * 1024 } })
  for (const cipher of ['aes256-gcm@openssh.com', 'aes128-gcm@openssh.com', 'aes256-ctr', 'aes128-ctr']) {
    const { code, stdout } = await ssh(['echo'], { input: data, options: ['-c', cipher] })
    t.equal(code, 0)
    t.equal(sha256(stdout), sha256(data), cipher)
  }
})

t.test('a client that exchanges keys on its own gets everything too', async t => {
  const data = randomBytes(8 * 1024 * 1024)
  const { ssh } = await openDoor(t, echo)
  const { code, stdout } = await ssh(['echo'], { input: data, options: ['-o', 'RekeyLimit=1M'] })
  t.equal(code, 0)
  t.equal(sha256(stdout), sha256(data))
})

t.test('stdout and stderr stay apart and whole when both are large', async t => {
  const [out, err] = [randomBytes(12 * 1024 * 1024), randomBytes(12 * 1024 * 1024)]
  const door = await openDoor(t, async ({ stdout, stderr }) => {
    for (let at = 0; at < out.length; at += 100_000) {
      stdout.write(out.subarray(at, at + 100_000))
      stderr.write(err.subarray(at, at + 100_000))
    }
    return 7
  })
  const child = door.start(['both'])
  const gathered = { out: createHash('sha256'), err: createHash('sha256') }
  child.stdout!.on('data', chunk => gathered.out.update(chunk))
  child.stderr!.on('data', chunk => gathered.err.update(chunk))
  const [code] = await once(child, 'close')
  t.equal(code, 7, 'the exit code comes after all output')
  t.equal(gathered.out.digest('hex'), sha256(out))
  t.equal(gathered.err.digest('hex'), sha256(err))
})

t.test('input is read to its end', async t => {
  const { ssh } = await openDoor(t, async ({ stdin, stdout }) => {
    stdout.write(`${(await text(stdin)).length}`)
    return 0
  })
  t.match(await ssh(['count'], { input: 'x'.repeat(100_000) }), { stdout: Buffer.from('100000') })
})

t.test('a command that leaves its input unread still ends with its own exit code', async t => {
  const { ssh } = await openDoor(t, async ({ stdin }) => {
    stdin.destroy()
    return 3
  })
  t.match(await ssh(['no'], { input: randomBytes(8 * 1024 * 1024) }), { code: 3 })
})

t.test('a bug in a command is exit code 1, and the door stays open', async t => {
  const { ssh } = await openDoor(t, async ({ command, stdout }) => {
    if ('line' in command && command.line === 'bug') throw new Error('bug')
    stdout.destroy(new Error('a broken pipe'))
    return 0
  })
  t.match(await ssh(['bug']), { code: 1 })
  t.match(await ssh(['fine']), { code: 0 })
})

t.test('of the environment only language, terminal and git protocol come in', async t => {
  const { ssh } = await openDoor(t, async ({ env, stdout }) => {
    stdout.write(JSON.stringify(env))
    return 0
  })
  const wished = 'LC_ALL=C.UTF-8 GIT_PROTOCOL=version=2 LD_PRELOAD=/x GIT_SSH_COMMAND=x PATH=/x LC_TIME=$(x)'
  const { stdout } = await ssh([], { options: ['-o', `SetEnv=${wished}`] })
  t.same(JSON.parse(stdout.toString()), { LC_ALL: 'C.UTF-8', GIT_PROTOCOL: 'version=2' })
  const odd = await ssh([], { options: ['-o', 'SetEnv=GIT_PROTOCOL=version=2:x'] })
  t.same(JSON.parse(odd.stdout.toString()), {})
})

t.test('a terminal has a size, tells of every change, and passes signals on', async t => {
  const sessions = waitable<Session>()
  const door = await openDoor(t, async session => {
    sessions.give(session)
    await new Promise<void>(done => session.onSignal(name => name === 'USR1' && done()))
    return 0
  })
  const client = await connect(t, door)
  const stream = await client.exec('top', { pty: { term: 'vt220', cols: 100, rows: 30 } })
  const session = await sessions.next()
  t.match(session.terminal, { term: 'vt220', cols: 100, rows: 30 })
  const size = new Promise(done => session.terminal!.onResize(done))
  stream.setWindow(40, 120, 0, 0)
  t.same(await size, { cols: 120, rows: 40 })
  const exit = once(stream, 'exit')
  stream.signal('USR1')
  t.same((await exit)[0], 0)
})

t.test('Ctrl-C at a terminal cancels a command that reads no input', async t => {
  const door = await openDoor(t, async ({ signal, stdout }) => {
    stdout.write('on')
    await once(signal, 'abort')
    return 130
  })
  const child = door.start(['logs'], { options: ['-tt'] })
  await once(child.stdout!, 'data')
  child.stdin!.write('\x03')
  t.same((await once(child, 'close'))[0], 130)
})

t.test('a lost connection aborts the command at once, and its input does not look whole', async t => {
  const reports = waitable<{ reason: unknown; input: unknown }>()
  const door = await openDoor(t, async ({ signal, stdin, stdout }) => {
    stdout.write('on')
    const input = text(stdin).catch(error => error)
    await once(signal, 'abort')
    reports.give({ reason: signal.reason, input: await input })
    stdout.write('nobody hears this')
    return 0
  })
  const child = door.start(['import'])
  await once(child.stdout!, 'data')
  child.stdin!.write('half a dump')
  child.kill('SIGKILL')
  t.match(await reports.next(), { reason: { code: 'cancelled' }, input: { code: 'cancelled' } })
})

t.test('several commands share a connection, and one that goes is aborted alone', async t => {
  const aborted = waitable<string>()
  const door = await openDoor(t, async ({ command, signal, stdout }) => {
    const line = 'line' in command ? command.line : ''
    if (line === 'quick') return 5
    stdout.write('on')
    await once(signal, 'abort')
    aborted.give(line)
    return 0
  })
  const options = ['-o', `ControlPath=${join(door.folder, 'mux')}`]
  const main = door.start(['first'], { options: [...options, '-M'] })
  await once(main.stdout!, 'data')
  const second = door.start(['second'], { options })
  await once(second.stdout!, 'data')
  second.kill('SIGKILL')
  t.match(await door.ssh(['quick'], { options }), { code: 5 })
  t.equal(await aborted.next(), 'second')
  door.forget(door.usual)
  t.match(
    await door.ssh(['quick'], { options }),
    { code: 255 },
    'a key that was taken away runs nothing more',
  )
  t.equal(await aborted.next(), 'first')
})

t.test('a command may be as long as a client sends it, in every cipher', async t => {
  const door = await openDoor(t, async ({ command, stdout }) => {
    stdout.write(
      createHash('sha256')
        .update('line' in command ? command.line : '')
        .digest('hex'),
    )
    return 0
  })
  // One word is at most 128 KiB (execve), and OpenSSH's packet 256 KiB: the words are sent as one.
  const words = [Buffer.alloc(130_000, 'a').toString(), Buffer.alloc(130_000, 'b').toString()]
  const digest = createHash('sha256').update(words.join(' ')).digest('hex')
  for (const cipher of ['aes256-gcm@openssh.com', 'aes256-ctr', 'aes128-ctr']) {
    const { code, stdout } = await door.ssh(words, { options: ['-c', cipher] })
    t.same({ code, stdout: String(stdout) }, { code: 0, stdout: digest }, cipher)
  }
})

t.test('a key that is removed ends what runs with it, and nothing else', async t => {
  const over = waitable<string>()
  const door = await openDoor(t, async ({ by, stdout, signal }) => {
    stdout.write('on')
    await Promise.race([once(signal, 'abort'), last])
    over.give(`${by.person} ${signal.aborted ? 'cut off' : 'finished'}`)
    return 0
  })
  const { promise: last, resolve: finish } = Promise.withResolvers<void>()
  const key = door.key('ecdsa')
  const removed = door.start(['wait'], { key })
  const removedClosed = once(removed, 'close')
  const stays = door.start(['wait'])
  const staysClosed = once(stays, 'close')
  await Promise.all([once(removed.stdout!, 'data'), once(stays.stdout!, 'data')])
  door.forget(key)
  t.equal(await over.next(), 'ecdsa cut off')
  t.same(await removedClosed, [255, null])
  finish()
  t.equal(await over.next(), 'ed25519 finished')
  t.same(await staysClosed, [0, null])
})

t.test('no subsystem, copy or forwarding is served', async t => {
  const door = await openDoor(t, async () => 0)
  t.match(await door.ssh(['-s', 'sftp']), { code: /[^0]/ })
  t.match(await door.ssh(['-A', '-X', 'fine'], { options: ['-A'] }), { code: 0 })
  t.match(await door.ssh([], { options: ['-W', '127.0.0.1:22'] }), { code: 255, stderr: /forwarding failed/ })
  const back = ['-N', '-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:22']
  t.match(await door.ssh([], { options: back }), { code: 255, stderr: /forward/ })
  const copy = spawn('scp', ['-q', ...scpOptions(door), '/etc/hostname', 'x@127.0.0.1:/tmp/'], {
    env: plainEnv(),
  })
  t.match(await ended(copy), { code: /[^0]/ })
})

t.test('a closing server lets commands finish for a while, and takes no new ones', async t => {
  const sessions = waitable<Session>()
  const gate = waitable<void>()
  const door = await openDoor(t, async session => {
    sessions.give(session)
    await gate.next()
    return 9
  })
  const running = door.ssh(['slow'])
  await sessions.next()
  const closed = door.server.close({ graceMs: 10_000 })
  t.match(await door.ssh(['late']), { code: 255 })
  gate.give()
  t.match(await running, { code: 9 })
  await closed
})

t.test('a command that outlasts the grace of a closing server is aborted', async t => {
  const sessions = waitable<Session>()
  const door = await openDoor(t, async session => {
    sessions.give(session)
    await once(session.signal, 'abort')
    return 0
  })
  const running = door.ssh(['forever'])
  const session = await sessions.next()
  await door.server.close({ graceMs: 10 })
  t.ok(session.signal.aborted)
  t.match(await running, { code: 255 })
})

async function echo({ stdin, stdout }: Session): Promise<number> {
  await pipeline(stdin, stdout)
  return 0
}

function scpOptions({ server, usual, folder }: Door): string[] {
  const trust = ['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`]
  return ['-F', '/dev/null', '-i', usual, '-P', `${server.port}`, '-o', 'BatchMode=yes', ...trust]
}

/** Values given by one side, awaited by the other, in order. */
function waitable<T>() {
  const values: T[] = []
  const waiting: ((value: T) => void)[] = []
  return {
    give(value: T) {
      const next = waiting.shift()
      next ? next(value) : values.push(value)
    },
    next: () =>
      values.length ? Promise.resolve(values.shift()!) : new Promise<T>(done => waiting.push(done)),
  }
}
