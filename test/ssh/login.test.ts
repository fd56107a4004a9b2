import { readFileSync } from 'node:fs'

import ssh2, { type ParsedKey, type SignCallback } from 'ssh2'
import t from 'tap'

import { networkOf } from '../../src/ssh/admission.ts'
import { connect } from './client.ts'
import { openDoor } from './door.ts'

t.test('every kind of key signs in as its person', async t => {
  const { ssh, key } = await openDoor(t, sayWho)
  for (const [kind, bits] of [
    ['ed25519'],
    ['ecdsa', 256],
    ['ecdsa', 384],
    ['ecdsa', 521],
    ['rsa', 2048],
  ] as const) {
    const result = await ssh(['who'], { key: key(kind, bits ? { bits } : {}) })
    t.match(result, { code: 0, stdout: Buffer.from(kind) }, `${kind} ${bits ?? ''}`)
  }
})

t.test('RSA signs in with SHA-2 and not with SHA-1, and not when it is short', async t => {
  const { ssh, key } = await openDoor(t, sayWho)
  const rsa = key('rsa', { bits: 2048 })
  const algorithm = (name: string) => ({ key: rsa, options: ['-o', `PubkeyAcceptedAlgorithms=${name}`] })
  t.match(await ssh(['who'], algorithm('rsa-sha2-256')), { code: 0 })
  t.match(await ssh(['who'], algorithm('rsa-sha2-512')), { code: 0 })
  t.match(await ssh(['who'], algorithm('ssh-rsa')), { code: 255 })
  t.match(await ssh(['who'], { key: key('rsa', { bits: 1024 }) }), { code: 255 })
})

t.test('an unknown key is told so, and nothing else', async t => {
  const { ssh, key } = await openDoor(t, sayWho)
  const { code, stderr } = await ssh(['who'], { key: key('ed25519', { known: false }) })
  t.equal(code, 255)
  t.match(stderr, /^davit@127\.0\.0\.1: Permission denied \(publickey\)\.\s*$/)
})

t.test('only so many keys may be tried', async t => {
  const { ssh, key, usual } = await openDoor(t, sayWho, { limits: { authenticationTries: 3 } })
  const unknown = () => ['-i', key('ed25519', { known: false })]
  const last = { options: ['-i', usual] }
  t.match(await ssh(['who'], { key: unknown()[1]!, options: [...unknown(), ...last.options] }), { code: 0 })
  t.match(
    await ssh(['who'], { key: unknown()[1]!, options: [...unknown(), ...unknown(), ...last.options] }),
    { code: 255 },
  )
})

t.test('a key that was offered and not signed with lets nobody in', async t => {
  let ran = 0
  const door = await openDoor(t, async () => {
    ran++
    return 0
  })
  const forged = agentOf(door.usual, (_key, done) => done(undefined, Buffer.alloc(64, 7)))
  await t.rejects(connect(t, door, { privateKey: undefined, agent: forged }), /authentication methods failed/)

  const unsigned = new Promise<void>(resolve => {
    const client = new ssh2.Client()
    t.teardown(() => client.destroy())
    client.on('error', () => {})
    client.on('close', () => resolve())
    const agent = agentOf(door.usual, () => {
      client.exec('x', error => {
        t.match(error?.message, /open failure|Not connected/)
        client.destroy()
      })
    })
    client.connect({ host: '127.0.0.1', port: door.server.port, username: 'x', agent })
  })
  await unsigned
  t.equal(ran, 0)
})

t.test('who offers a colleague\u2019s key and signs with another is who signed', async t => {
  const door = await openDoor(t, sayWho)
  const mine = door.key('ecdsa', { bits: 256 })
  const keys = [door.usual, mine].map(path => parse(readFileSync(path)))
  const agent = new (class extends ssh2.BaseAgent {
    getIdentities(done: (error: undefined, keys: ParsedKey[]) => void) {
      done(undefined, keys)
    }
    override sign(key: ParsedKey, data: Buffer, ...rest: unknown[]) {
      const done = rest.at(-1) as SignCallback
      if (key.type === 'ssh-ed25519') done(new Error('no'))
      else done(undefined, keys[1]!.sign(data) as unknown as Buffer)
    }
  })()
  const { exec } = await connect(t, door, { privateKey: undefined, agent })
  const channel = await exec('who')
  t.equal(`${(await channel.toArray())[0]}`, 'ecdsa')
})

t.test('an address counts alone in IPv4, and with its /64 in IPv6', async t => {
  t.equal(networkOf('192.0.2.7'), '192.0.2.7')
  t.equal(networkOf('::ffff:192.0.2.7'), '192.0.2.7')
  t.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2')
  t.equal(networkOf('2001:db8::5'), networkOf('2001:db8::6'))
  t.equal(networkOf('::1'), '0:0:0:0')
  t.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0')
})

async function sayWho({ by, stdout }: { by: { person: string }; stdout: NodeJS.WritableStream }) {
  stdout.write(by.person)
  return 0
}

function agentOf(path: string, answer: (key: ParsedKey, done: SignCallback) => void) {
  const key = parse(readFileSync(path))
  return new (class extends ssh2.BaseAgent {
    getIdentities(done: (error: undefined, keys: ParsedKey[]) => void) {
      done(undefined, [key])
    }
    override sign(_key: ParsedKey, _data: Buffer, ...rest: unknown[]) {
      answer(key, rest.at(-1) as SignCallback)
    }
  })()
}

function parse(text: Buffer): ParsedKey {
  const key = ssh2.utils.parseKey(text)
  if (key instanceof Error) throw key
  return key
}
