import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'

import { type Test, t } from 'tap'

import { openQuick } from '../../src/proxy/quick.ts'

/** Both ends of a connection; nothing is read from the far one until somebody does. */
async function pair(t: Test): Promise<{ near: Socket; far: Socket }> {
  const server = net.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = net.connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  const [[near]] = (await Promise.all([once(server, 'connection'), once(far, 'connect')])) as [
    [Socket],
    unknown,
  ]
  far.on('error', () => {})
  near.on('error', () => {})
  t.teardown(() => {
    server.close()
    near.destroy()
    far.destroy()
  })
  return { near, far }
}

const large = 32 * 1024 * 1024

t.test('what the kernel takes at once is said, and arrives: text, and bytes behind it', async t => {
  const { near, far } = await pair(t)
  const quick = openQuick(near)
  const late = () => t.fail('nothing was left')
  t.equal(quick.write('hé', late), 'taken')
  t.equal(quick.write('llo ', late, Buffer.from([0, 1, 255])), 'taken')
  t.equal(quick.waiting, 0)
  t.equal(near.bytesWritten, 9)
  near.end()
  t.same(Buffer.concat(await far.toArray()), Buffer.from('h\xe9llo \0\x01\xff', 'latin1'))
})

t.test('what the kernel takes later comes before what is written later, and is known to wait', async t => {
  const { near, far } = await pair(t)
  const quick = openQuick(near)
  const bytes = Buffer.alloc(large, 'abcdefg')
  const taken = new Promise<void>(resolve => {
    t.equal(quick.write('head ', resolve, bytes), 'pending')
  })
  const first = quick.waiting
  t.ok(first > 0 && first < large, `${first} bytes wait`)
  t.equal(near.writableLength, 0, 'the stream knows nothing of it')
  near.end(' tail')
  let heard = 0
  let end = ''
  let least = first
  far.on('data', (chunk: Buffer) => {
    heard += chunk.length
    end = (end + chunk.subarray(-12).toString()).slice(-12)
    if (heard < large / 2) least = quick.waiting
  })
  await once(far.resume(), 'end')
  await taken
  t.ok(least > 0 && least < first, `${least} bytes waited in the middle`)
  t.equal(quick.waiting, 0)
  t.equal(heard, large + 10)
  t.equal(near.bytesWritten, heard)
  t.equal(end, `${bytes.subarray(-7)} tail`)
})

t.test(
  'a socket that fails while something waits is destroyed, and nobody is told that it was taken',
  async t => {
    const { near, far } = await pair(t)
    const quick = openQuick(near)
    t.equal(
      quick.write('', () => t.fail('it was not taken'), Buffer.alloc(large)),
      'pending',
    )
    const closed = once(near, 'close')
    far.resetAndDestroy()
    await closed
    t.equal(quick.waiting, 0)
    t.equal(quick.write('more'), 'not')
  },
)

t.test('nothing is written past a stream that has something to write', async t => {
  const { near } = await pair(t)
  const quick = openQuick(near)
  near.write(Buffer.alloc(large))
  t.ok(near.writableLength > 0)
  t.equal(quick.write('x', undefined, Buffer.alloc(9)), 'not')
})
