import t from 'tap'

import { attackAnswers, openCalmApp } from '../../scripts/attack.d/answers.ts'
import { openMadApp } from '../../scripts/attack.d/mad-app.ts'
import { readAnswers } from '../../scripts/attack.d/reader.ts'
import { routeOf, stage } from './stage.ts'

t.test('the reader that judges answers tells whole ones from halves', async t => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const read = (bytes: string, closed = false) => readAnswers(bytes, ['GET', 'HEAD', 'GET'], { closed })
  t.match(
    read(
      `HTTP/1.1 100 Continue\r\n\r\n${ok}Content-Length: 2\r\n\r\nhi${ok}Content-Length: 9\r\n\r\n${ok}\r\nrest`,
      true,
    ),
    {
      answers: [
        { body: 'hi', whole: true },
        { body: '', whole: true },
        { body: 'rest', whole: true },
      ],
    },
  )
  t.match(read(`${ok}\r\nhalf`), { answers: [{ body: 'half', whole: false }] })
  t.match(read(`${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nha`, true), {
    answers: [{ body: 'ha', whole: false }],
  })
  for (const bytes of [
    `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
    `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na`,
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    `${ok}X-A: b\nX-B: c\r\n\r\n`,
    'HTTP/1.1 20 OK\r\n\r\n',
  ]) {
    t.match(read(bytes), { answers: [], doubt: String }, JSON.stringify(bytes))
  }
})

// scripts/attack answers does this ten thousand times.
t.test('nobody hears of a mad app what it did not say, or half of it as if it were all', async t => {
  const [mad, calm] = [await openMadApp(t, 4), await openCalmApp(t)]
  const to = (port: number) => [{ host: '127.0.0.1', port }]
  const { port } = await stage(t, [
    routeOf('mad', ['mad.test'], to(mad.port)),
    routeOf('calm', ['calm.test'], to(calm.port)),
  ])
  const { signal } = new AbortController()
  const { findings, counts } = await attackAnswers({ port, seed: 4, cases: 300, signal })
  t.comment(JSON.stringify(counts))
  t.same(findings, [])
  t.ok(counts['a whole answer']! > 50)
  t.ok(counts['a whole 502']! > 50)
})
