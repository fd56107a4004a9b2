import { t } from 'tap'

import { selfSigned } from '../../src/self-signed.ts'
import type { Route } from '../../src/types.ts'
import { ask2, session } from './client2.ts'
import { ask, backend, routeOf, secureStage } from './stage.ts'

const hsts = { maxAge: 63_072_000, includeSubdomains: true, preload: false }

t.test('http leads to https where there is a certificate, and only there', async t => {
  const { port, httpsPort, certificates } = await shop(t, { redirect: true })
  const to = (path: string) => `https://shop.test:${httpsPort}${path}`
  const redirected = (status: number, location: string) => ({ status, headers: { location } })
  t.match(await ask(port, '/a?b=c', { host: 'SHOP.test.:8080' }), redirected(301, to('/a?b=c')))
  t.match(await ask(port, '/a', { method: 'HEAD' }), redirected(301, to('/a')))
  t.match(await ask(port, '/a', { method: 'POST', body: 'x' }), redirected(308, to('/a')))
  t.match(
    await ask(port, '/', { host: 'www.shop.test' }),
    redirected(301, to('/').replace('shop', 'www.shop')),
  )
  t.match(await ask(port, '/', { host: 'plain.test' }), { status: 200, body: 'http' })
  t.match(await ask(port, '/.well-known/acme-challenge/x'), { status: 200, body: 'http' })
  t.match(await ask(port, '/.well-known/other'), { status: 301 })
  certificates.forget('shop')
  t.match(await ask(port, '/'), { status: 200, body: 'http' })
})

t.test('a redirect leads to the host that was asked, whatever the path looks like', async t => {
  const { port, httpsPort } = await shop(t, { redirect: true })
  for (const [path, location] of [
    ['//evil.test/x', '//evil.test/x'],
    ['/\\evil.test', '/\\evil.test'],
    ['http://shop.test/y', '/y'],
    ['/a%0d%0aX:y', '/a%0d%0aX:y'],
  ] as const) {
    const { headers } = await ask(port, path)
    t.equal(headers.location, `https://shop.test:${httpsPort}${location}`, path)
  }
})

t.test('where redirects are off http is answered, and HSTS stands on its own', async t => {
  const { port, httpsPort } = await shop(t, { redirect: false, hsts })
  t.match(await ask(port, '/'), { status: 200, body: 'http' })
  const { headers } = await ask2(await session(t, httpsPort), '/')
  t.match(headers, { 'strict-transport-security': 'max-age=63072000; includeSubDomains' })
})

t.test(
  'browsers are told to remember https: over https, on every answer, where there is a certificate',
  async t => {
    const { port, httpsPort } = await shop(t, { redirect: true, hsts: { ...hsts, preload: true } })
    const client = await session(t, httpsPort)
    const said = async (path: string, authority = 'shop.test') =>
      (await ask2(client, path, { authority })).headers['strict-transport-security']
    const value = 'max-age=63072000; includeSubDomains; preload'
    t.equal(await said('/'), value)
    t.equal(await said('/', 'www.shop.test'), value)
    t.equal(await said('/', 'plain.test'), undefined)
    t.equal(await said('/', 'nobody.test'), undefined)
    t.equal(await said('/own'), 'max-age=1')
    t.equal(await said('/fails'), value)
    t.notOk('strict-transport-security' in (await ask(port, '/')).headers)
    t.notOk('strict-transport-security' in (await ask(port, '/', { host: 'plain.test' })).headers)
  },
)

t.test('a field of the route has the last word on HSTS', async t => {
  const { httpsPort } = await shop(t, { redirect: true, hsts }, { 'Strict-Transport-Security': '' })
  const { headers } = await ask2(await session(t, httpsPort), '/')
  t.notOk('strict-transport-security' in headers)
})

t.test('behind a trusted proxy that speaks TLS to the client nothing leads to https again', async t => {
  const { port, parts } = await shop(t, { redirect: true })
  t.match(await ask(port, '/', { headers: { 'x-forwarded-proto': 'https' } }), { status: 301 })
  const { trusting } = await import('../../src/proxy/trust.ts')
  const trust = trusting(['127.0.0.1'])
  Object.assign(parts, { trust: () => trust })
  t.match(await ask(port, '/', { headers: { 'x-forwarded-proto': 'https' } }), { status: 200 })
})

async function shop(
  t: Parameters<typeof secureStage>[0],
  https: NonNullable<Route['https']>,
  headers: Record<string, string> = {},
) {
  const app = await backend(t, (req, res) => {
    if (req.url === '/own') res.setHeader('Strict-Transport-Security', 'max-age=1')
    if (req.url === '/fails') return res.destroy()
    res.end(req.headers['x-forwarded-proto'])
  })
  const route = routeOf('shop', ['shop.test', '*.shop.test', 'plain.test'], [app])
  const pair = await selfSigned(['shop.test', '*.shop.test'], { days: 2 })
  const certificate = { name: 'shop', hostnames: ['shop.test', '*.shop.test'], ...pair }
  return secureStage(t, [{ ...route, https, headers }], { certificates: [certificate] })
}
