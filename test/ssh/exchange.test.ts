import {
  createHash,
  createPublicKey,
  decapsulate,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  verify,
} from 'node:crypto'
import { connect, type Socket } from 'node:net'

import t from 'tap'

import { openDoor } from './door.ts'

// draft-ietf-sshm-mlkem-hybrid-kex, in the frame of RFC 4253. Clients that speak it are newer than Debian 12's.
t.test(
  'a key exchange that quantum computers do not break comes to the secret that the draft says',
  async t => {
    const door = await openDoor(t, async () => 0)
    const socket = connect(door.server.port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    const take = reader(socket)
    const ours = 'SSH-2.0-exchange'
    socket.write(`${ours}\r\n`)
    const theirs = await take(bytes => {
      const end = bytes.indexOf('\n')
      return end < 0 ? undefined : end + 1
    })
    const ourInit = kexInit()
    socket.write(packet(ourInit))
    const theirInit = payload(await take(wholePacket))
    t.equal(theirInit[0], 20)
    t.match(strings(theirInit.subarray(17))[0]!.toString(), /^mlkem768x25519-sha256,/, 'it is preferred')

    const mlkem = generateKeyPairSync('ml-kem-768')
    const x25519 = generateKeyPairSync('x25519')
    const asked = Buffer.concat([raw(mlkem.publicKey, 1184), raw(x25519.publicKey, 32)])
    socket.write(packet(Buffer.concat([Buffer.from([30]), string(asked)])))
    const reply = payload(await take(wholePacket))
    t.equal(reply[0], 31)
    const [hostKey, answer, signature] = strings(reply.subarray(1)) as [Buffer, Buffer, Buffer]
    t.equal(answer.length, 1088 + 32)

    const secret = createHash('sha256')
      .update(decapsulate(mlkem.privateKey, answer.subarray(0, 1088)))
      .update(
        diffieHellman({
          privateKey: x25519.privateKey,
          publicKey: keyOf(x25519Prefix, answer.subarray(1088)),
        }),
      )
      .digest()
    const parts = [
      Buffer.from(ours),
      theirs.subarray(0, theirs.indexOf('\r')),
      ourInit,
      theirInit,
      hostKey,
      asked,
      answer,
      secret,
    ]
    const hash = createHash('sha256')
      .update(Buffer.concat(parts.map(string)))
      .digest()
    const [, host] = strings(hostKey) as [Buffer, Buffer]
    const [, signed] = strings(signature) as [Buffer, Buffer]
    t.ok(verify(null, hash, keyOf(ed25519Prefix, host), signed), 'the host key signs the same secret')
  },
)

t.test('keys of a wrong length end the connection, and nothing else', async t => {
  const door = await openDoor(t, async () => 0)
  const socket = connect(door.server.port, '127.0.0.1')
  socket.write('SSH-2.0-exchange\r\n')
  socket.write(packet(kexInit()))
  socket.write(packet(Buffer.concat([Buffer.from([30]), string(randomBytes(1184))])))
  socket.resume()
  await new Promise(resolve => socket.once('close', resolve))
  t.match(await door.ssh(['true']), { code: 0 })
})

function kexInit(): Buffer {
  const lists = [
    'mlkem768x25519-sha256',
    'ssh-ed25519',
    ...['aes256-ctr', 'aes256-ctr'],
    ...['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-256-etm@openssh.com'],
    ...['none', 'none', '', ''],
  ]
  const names = lists.map(each => string(Buffer.from(each)))
  return Buffer.concat([Buffer.from([20]), randomBytes(16), ...names, Buffer.alloc(5)])
}

/** RFC 4253, 6: as long as a multiple of 8, with at least 4 bytes of padding. */
function packet(payload: Buffer): Buffer {
  const padding = 8 - ((payload.length + 5) % 8) + (8 - ((payload.length + 5) % 8) < 4 ? 8 : 0)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1 + payload.length + padding)
  head[4] = padding
  return Buffer.concat([head, payload, randomBytes(padding)])
}

function wholePacket(bytes: Buffer): number | undefined {
  const length = bytes.length < 4 ? Number.POSITIVE_INFINITY : 4 + bytes.readUInt32BE()
  return bytes.length < length ? undefined : length
}

function payload(packet: Buffer): Buffer {
  return packet.subarray(5, packet.length - packet[4]!)
}

function string(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** As many as there are whole ones. */
function strings(bytes: Buffer): Buffer[] {
  if (bytes.length < 4 || bytes.length < 4 + bytes.readUInt32BE()) return []
  const end = 4 + bytes.readUInt32BE()
  return [bytes.subarray(4, end), ...strings(bytes.subarray(end))]
}

const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex')
const x25519Prefix = Buffer.from('302a300506032b656e032100', 'hex')

function keyOf(prefix: Buffer, bytes: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([prefix, bytes]), format: 'der', type: 'spki' })
}

function raw(key: KeyObject, length: number): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-length)
}

/** Answers what `end` finds at the beginning of what came, once it is whole. */
function reader(socket: Socket): (end: (bytes: Buffer) => number | undefined) => Promise<Buffer> {
  const chunks: AsyncIterator<Buffer> = socket.iterator()
  let bytes = Buffer.alloc(0)
  return async end => {
    for (let length = end(bytes); ; length = end(bytes)) {
      if (length !== undefined) {
        const found = bytes.subarray(0, length)
        bytes = bytes.subarray(length)
        return found
      }
      const { done, value } = await chunks.next()
      if (done) throw new Error('The server left.')
      bytes = Buffer.concat([bytes, value])
    }
  }
}
