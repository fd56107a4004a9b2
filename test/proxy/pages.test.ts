import { t } from 'tap'

import { routeTo, stage } from './stage.ts'

t.test('curl gets two lines, a browser a page', async t => {
  const { ask } = await stage(t, [])
  const plain = await ask('/', { host: 'nobody.test' })
  t.match(plain, { status: 404, headers: { 'content-type': /^text\/plain/ } })
  t.match(plain.body, /^There is no app here\.\nNothing answers to nobody\.test/)
  const page = await ask('/', { host: 'nobody.test', headers: { accept: 'text/html,*/*;q=0.8' } })
  t.match(page, {
    status: 404,
    headers: { 'content-type': /^text\/html/, 'content-security-policy': /default-src 'none'/ },
  })
  t.match(page.body, /<h1>There is no app here<\/h1>/)
  t.ok(page.body.includes(page.headers['x-request-id'] as string))
})

t.test('a stopped app is a 503, and a page names no version and no secret', async t => {
  const { ask } = await stage(t, [routeTo()])
  const { status, body, raw } = await ask('/', { headers: { accept: 'text/html' } })
  t.equal(status, 503)
  t.match(body, /not running/)
  t.notMatch(raw.join(' ') + body, /node|http-proxy|10\.\d|powered|server:/i)
})

t.test('HEAD gets the head of the page', async t => {
  const { raw } = await stage(t, [])
  const heard = await raw('HEAD / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n')
  t.match(heard, /^HTTP\/1\.1 404 Not Found\r\n.*\r\nContent-Length: \d+\r\n.*\r\n\r\n$/s)
})

t.test('after a page the connection goes on', async t => {
  const { raw } = await stage(t, [])
  const get = 'GET / HTTP/1.1\r\nHost: nobody.test\r\n'
  const heard = await raw(`${get}\r\n${get}Connection: close\r\n\r\n`)
  t.equal(heard.split('HTTP/1.1 404').length, 3)
})
