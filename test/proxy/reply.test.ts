import { t } from 'tap'

import { BadMessage } from '../../src/proxy/field-lines.ts'
import { Reply } from '../../src/proxy/reply.ts'

/** What a listener hears of these bytes, cut into pieces of `size`; `end`: the connection ends after them. */
function hear(text: string, { method = 'GET', size = text.length, end = false } = {}) {
  const heard: string[] = []
  const reply = new Reply(method, {
    onInterim: ({ status, fields }) => heard.push(`interim ${status} ${fields}`),
    onHead: ({ status, reason, fields }, { length }) =>
      heard.push(`head ${status} ${reason}|${fields}|${length}`),
    onBody(chunk) {
      const last = heard.at(-1)!
      if (last.startsWith('body ')) heard[heard.length - 1] = last + chunk.toString('latin1')
      else heard.push(`body ${chunk.toString('latin1')}`)
    },
    onEnd: trailers => heard.push(`end ${trailers}`),
  })
  const bytes = Buffer.from(text, 'latin1')
  let mine = true
  for (let at = 0; at < bytes.length; at += size)
    mine = reply.take(bytes.subarray(at, at + size)) === undefined
  if (end && !reply.end()) heard.push('cut')
  return { heard, reply, mine }
}

const ok = 'HTTP/1.1 200 OK\r\n'
const good: Record<string, [text: string, heard: string[], method?: string]> = {
  'a length': [
    `${ok}Content-Length: 2\r\nX-A:  b \t\r\n\r\nhi`,
    ['head 200 OK|Content-Length,2,X-A,b|2', 'body hi', 'end '],
  ],
  'an empty body': [`${ok}content-length: 0\r\n\r\n`, ['head 200 OK|content-length,0|0', 'end ']],
  'no reason': ['HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', ['head 200 |Content-Length,0|0', 'end ']],
  'an empty reason': ['HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n', ['head 404 |Content-Length,0|0', 'end ']],
  chunks: [
    `${ok}Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n00A;x="y"\r\n0123456789\r\n0\r\n\r\n`,
    ['head 200 OK|Transfer-Encoding,Chunked|undefined', 'body hi0123456789', 'end '],
  ],
  trailers: [
    `${ok}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\nX-More:\r\n\r\n`,
    ['head 200 OK|Transfer-Encoding,chunked|undefined', 'body a', 'end X-Sum,7,X-More,'],
  ],
  'interim answers': [
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}Content-Length: 1\r\n\r\nx`,
    ['interim 100 ', 'interim 103 Link,</a>', 'head 200 OK|Content-Length,1|1', 'body x', 'end '],
  ],
  'an answer to HEAD': [`${ok}Content-Length: 9\r\n\r\n`, ['head 200 OK|Content-Length,9|0', 'end '], 'HEAD'],
  '204': ['HTTP/1.1 204 No Content\r\n\r\n', ['head 204 No Content||0', 'end ']],
  '304 with a length': [
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    ['head 304 Not Modified|Content-Length,5|0', 'end '],
  ],
  'bytes over 0x7f': [
    `${ok}X-A: \xe9\r\nContent-Length: 1\r\n\r\n\xff`,
    ['head 200 OK|X-A,\xe9,Content-Length,1|1', 'body \xff', 'end '],
  ],
}

t.test('an answer is read the same, at whatever bytes the network cuts it', async t => {
  for (const [name, [text, heard, method]] of Object.entries(good)) {
    for (const size of [1, 2, 3, 7, text.length]) {
      const told = hear(text, { method, size })
      t.same(told.heard, heard, `${name}, by ${size}`)
      t.ok(told.reply.done && told.mine)
    }
  }
})

t.test('a body without a length lasts until the connection ends', async t => {
  const { heard, reply } = hear(`${ok}\r\nall of it`, { end: true, size: 5 })
  t.same(heard, ['head 200 OK||undefined', 'body all of it', 'end '])
  t.notOk(reply.keeps)
})

t.test('one that ends before its end is not whole', async t => {
  for (const text of [
    'HTTP/1.1 200',
    `${ok}Content-Length: 5\r\n\r\nhalf`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhalf`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-Sum: 1\r\n`,
  ])
    t.equal(hear(text, { end: true }).heard.at(-1), 'cut', JSON.stringify(text))
})

t.test('whether the connection may be kept is said by the answer', async t => {
  const keeps = (text: string, method?: string) => hear(text, { method }).reply.keeps
  t.ok(keeps(`${ok}Content-Length: 0\r\n\r\n`))
  t.notOk(keeps(`${ok}Content-Length: 0\r\nConnection: x, Close\r\n\r\n`))
  t.notOk(keeps('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'))
  t.ok(keeps('HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n'))
  t.notOk(keeps('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'))
  t.notOk(keeps('HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'))
  t.equal(hear(`${ok}Content-Length: 0\r\nKeep-Alive: timeout=5, max=9\r\n\r\n`).reply.keptSeconds, 5)
})

t.test('what comes behind an answer is none of it', async t => {
  for (const [text] of Object.values(good)) {
    const method = text.includes('Content-Length: 9') ? 'HEAD' : 'GET'
    t.equal(hear(`${text}HTTP/1.1 200 OK\r\n\r\n`, { method }).mine, false, JSON.stringify(text))
  }
})

t.test('what could be understood in two ways is no answer', async t => {
  for (const text of [
    'nonsense\r\n\r\n',
    'HTTP/2.0 200 OK\r\n\r\n',
    'HTTP/1.1 099 Odd\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'http/1.1 200 OK\r\n\r\n',
    ' HTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 200 O\x00K\r\n\r\n',
    'HTTP/1.1 200 OK\nX: y\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
    ...[
      'Content-Length: 2\r\nTransfer-Encoding: chunked',
      'Content-Length: 2\r\nContent-Length: 2',
      'Content-Length: 2, 2',
      'Content-Length: +2',
      'Content-Length: -2',
      'Content-Length: 0x2',
      'Content-Length:',
      'Transfer-Encoding: gzip, chunked',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
      'Transfer-Encoding: identity',
      'X-A: b\r\n folded: c',
      'X-A : b',
      ': b',
      'X A: b',
      'X-A',
      'X-A: b\rc',
      'X-A: b\nc',
      'X-A: b\x00',
      `X-A: ${'b'.repeat(40_000)}`,
    ].map(fields => `${ok}${fields}\r\n\r\nhi`),
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ...['zz', '', '-1', '0x1', '1 2', '1;\x00', 'fffffffffffff', '1'.repeat(20)].map(
      size => `${ok}Transfer-Encoding: chunked\r\n\r\n${size}\r\nx\r\n0\r\n\r\n`,
    ),
    `${ok}Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n0\r\nX A: b\r\n\r\n`,
    'HTTP/1.1 102 Processing\r\n\r\n'.repeat(30),
  ]) {
    const name = JSON.stringify(text).slice(0, 100)
    t.ok(errorOf(() => hear(text)) instanceof BadMessage, name)
    t.ok(errorOf(() => hear(text, { size: 1 })) instanceof BadMessage, `${name}, by 1`)
  }
})

function errorOf(work: () => unknown): unknown {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}
