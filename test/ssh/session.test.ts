import { createHash, randomBytes } from 'node:crypto'
import { pipeline } from 'node:stream/promises'

import t from 'tap'

import { openDoor } from './door.ts'

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')

t.test('a command gets its line as typed, and the client its output and exit code', async t => {
  const { ssh } = await openDoor(t, async ({ command, stdout, stderr, by }) => {
    stdout.write(`${JSON.stringify(command)} ${by.person}\n`)
    stderr.write('aside\n')
    return 20
  })
  const { code, stdout, stderr } = await ssh(['apps:list', "'a  b'"])
  t.match(
    { code, stdout: stdout.toString(), stderr },
    { code: 20, stdout: `{"line":"apps:list 'a  b'"} ed25519\n`, stderr: 'aside\n' },
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
  const { ssh } = await openDoor(
    t,
    async ({ stdin, stdout }) => {
      await pipeline(stdin, stdout)
      return 0
    },
    { limits: { rekeyBytes: 8 * 1024 * 1024 } },
  )
  for (const cipher of ['chacha20-poly1305@openssh.com', 'aes128-gcm@openssh.com', 'aes128-ctr']) {
    const { code, stdout } = await ssh(['echo'], { input: data, options: ['-c', cipher] })
    t.equal(code, 0)
    t.equal(sha256(stdout), sha256(data), cipher)
  }
})
