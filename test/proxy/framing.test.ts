import t from 'tap'

import { makes } from '../../scripts/attack.d/backends.ts'
import { attackFraming } from '../../scripts/attack.d/framing.ts'
import { readRequests } from '../../scripts/attack.d/reader.ts'
import { openTap } from '../../scripts/attack.d/tap.ts'
import { routeOf, stage } from './stage.ts'

const head = 'POST /a HTTP/1.1\r\nHost: x\r\n'

t.test('the reader that judges takes what can be read in one way only', async t => {
  const both = readRequests(
    `\r\n${head}Content-Length: 2\r\n\r\nhi${head}Transfer-Encoding: Chunked\r\n\r\n2;a=b\r\nho\r\n0\r\nT: 1\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\nrest`,
  )
  t.match(both, {
    requests: [
      { method: 'POST', target: '/a', body: 'hi', whole: true },
      { body: 'ho', whole: true },
      { method: 'GET', target: '/b', body: '', whole: true },
    ],
    end: { kind: 'over' },
  })
  t.match(readRequests(`${head}Content-Length: 4\r\n\r\nhi`), {
    requests: [{ body: 'hi', whole: false }],
    end: { kind: 'more' },
  })
  t.match(readRequests('GET /a HTTP/1.1\r\nHost'), { requests: [], end: { kind: 'more' } })
  t.match(readRequests('GET /a HTTP/1.0\r\n\r\nGET /b'), {
    requests: [{ target: '/a' }],
    end: { kind: 'over' },
  })
})

t.test('the reader that judges stops where two readers could part', async t => {
  for (const bytes of [
    `${head}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`,
    `${head}Content-Length: +2\r\n\r\nhi`,
    `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\n0\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\nhi\r\n0\r\n\r\n`,
    `${head}X: a\r\n b\r\n\r\n`,
    `${head}X: a\n\r\n`,
    `${head}X: a\rb\r\n\r\n`,
    `${head}X: a\0\r\n\r\n`,
    `${head}Host: y\r\n\r\n`,
    'POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'GET /a HTTP/1.1\r\n\r\n',
    'GET /a\r\n\r\n',
    'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
  ]) {
    t.match(readRequests(bytes).end, { kind: 'doubtful' }, JSON.stringify(bytes))
  }
})

// scripts/attack framing does this ten thousand times, with more backends.
t.test('spoilt requests are understood by the proxy as by the apps behind it, or refused', async t => {
  const sides = []
  for (const make of makes.filter(({ name, lacks }) => ['node', 'nginx'].includes(name) && !lacks())) {
    const backend = await make.open({ dir: t.testdir() })
    t.teardown(backend.close)
    const tap = await openTap(backend.port)
    t.teardown(tap.close)
    sides.push({ host: `${make.name}.test`, backend, tap })
  }
  const { port } = await stage(
    t,
    sides.map(({ host, tap }) => routeOf(host, [host], [{ host: '127.0.0.1', port: tap.port }])),
  )
  const { signal } = new AbortController()
  const { findings, counts } = await attackFraming({ port, seed: 4, cases: 300, sides, signal })
  t.comment(JSON.stringify(counts))
  t.same(findings, [])
  for (const { backend } of sides)
    t.ok(counts[`seen by ${backend.name}`]! > 100, `${backend.name} saw enough`)
})
