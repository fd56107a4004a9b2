import { t } from 'tap'

import type { Route } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'

/** A desk with the app `shop`, and what the proxy was told last of it. */
async function house(t: Parameters<typeof desk>[0]) {
  const all = desk(t)
  await all.say('domains:set-global example.com')
  await all.say('apps:create shop')
  const last = (app = 'shop') => all.told.findLast(each => (each as Route).app === app) as Route
  return { ...all, last }
}

t.test('a setting is in the route at once, under either name, the app’s own over the host’s', async t => {
  const { say, last, told } = await house(t)
  await say('apps:create blog')
  const before = told.length
  t.match(await say('nginx:set shop client-max-body-size 20m'), { code: 0, stderr: '' })
  t.same(last().limits, { bodyBytes: 20 * 1024 ** 2 })
  t.equal(told.length, before + 1)
  await say('proxy:set --global client-max-body-size 0')
  t.equal(told.length, before + 3, 'every app’s')
  t.same(last().limits, { bodyBytes: 20 * 1024 ** 2 })
  t.same(last('blog').limits, { bodyBytes: 0 })
  await say('nginx:set shop client-max-body-size')
  t.same(last().limits, { bodyBytes: 0 })
  await say('nginx:set --global client-max-body-size')
  t.equal(last().limits, undefined)
})

t.test('each setting reaches its place in the route', async t => {
  const { say, last } = await house(t)
  for (const [key, value, expected] of [
    ['proxy-read-timeout', '2m', { limits: { answerMs: 120_000, idleMs: 120_000 } }],
    ['proxy-send-timeout', '180s', { limits: { answerMs: 180_000, idleMs: 120_000 } }],
    ['proxy-connect-timeout', '1m30s', { limits: { connectMs: 90_000 } }],
    ['client-body-timeout', '90', { limits: { bodyIdleMs: 90_000 } }],
    ['send-timeout', '500ms', { limits: { bodyIdleMs: 90_000 } }],
    ['upstream-requests', '5', { limits: { perUpstream: 5 } }],
    ['queue-length', '7', { limits: { queue: 7 } }],
    ['queue-timeout', '3s', { limits: { queueMs: 3000 } }],
    ['compress', 'off', { compress: false }],
    ['sticky', 'ON', { sticky: true }],
    ['rate-limit', '600r/m,burst=50', { rate: { requests: 600, seconds: 60, burst: 50 } }],
    ['rate-limit', '10r/s', { rate: { requests: 10, seconds: 1, burst: 10 } }],
    ['allow', '192.0.2.7,2001:DB8::/32', { lists: { allow: { '192.0.2.7': true, '2001:db8::/32': true } } }],
    ['deny', 'private', { lists: { deny: { '10.0.0.0/8': true, '127.0.0.0/8': true } } }],
    ['https-redirect', 'off', { https: { redirect: false } }],
    ['hsts-max-age', '60', { https: { hsts: { maxAge: 60, includeSubdomains: false, preload: false } } }],
    ['hsts-preload', 'true', { https: { hsts: { preload: true } } }],
    ['hsts-include-subdomains', 'true', { https: { hsts: { includeSubdomains: true } } }],
    ['access-log-format', 'combined', { log: 'combined' }],
    ['access-log-path', 'off', { log: 'off' }],
  ] as const) {
    t.match(await say(`nginx:set shop ${key} ${value}`), { code: 0, stderr: '' })
    t.match(last(), expected, `${key} ${value}`)
  }
  await say('nginx:set shop hsts false')
  t.same(last().https, { redirect: false })
  t.match(await say('nginx:validate-config'), { code: 0, stdout: 'shop: ok\n' })
  t.equal(
    (await say('proxy:report shop --proxy-rate-limit')).stdout,
    '10r/s\n',
    'and is kept as it was typed',
  )
})

t.test('what cannot be read is refused, and nothing is told', async t => {
  const { say, told } = await house(t)
  const before = told.length
  for (const line of [
    'client-max-body-size many',
    'client-max-body-size 1t',
    'client-max-body-size 999999999999g',
    'proxy-read-timeout 0',
    'proxy-read-timeout 8d',
    'proxy-read-timeout soon',
    'proxy-buffering on',
    'compress maybe',
    'rate-limit 10',
    'rate-limit 0r/s',
    'rate-limit 10r/s,burst=0',
    'allow shop.example.com',
    'allow 10.0.0.0/33',
    'deny ,',
    'upstream-requests 0',
    'hsts-max-age -1',
    'access-log-format xml',
    'access-log-path /var/log/x',
  ])
    t.match(await say(`nginx:set shop ${line}`), { code: 1, stderr: /^ ! {5}/ }, line)
  t.equal(told.length, before)
})

t.test('what Dokku has and Davit does otherwise says how', async t => {
  const { say } = await house(t)
  t.match(await say('nginx:set shop proxy-buffering off'), { code: 0 })
  t.match(await say("nginx:set shop x-forwarded-for-value '$http_x_forwarded_for'"), {
    code: 1,
    stderr: /cannot be set here\..*trusted-proxies/s,
  })
  t.match(await say('nginx:set --global bind-address-ipv4 127.0.0.1'), {
    code: 1,
    stderr: /install\.sh --help/,
  })
  t.match(await say('nginx:set shop nonsense 1'), { code: 1, stderr: /valid properties include: client-max/ })
  t.match(await say('proxy:set shop type nginx'), { code: 0 })
  t.match(await say('proxy:set shop type caddy'), { code: 1, stderr: /There is no proxy caddy here/ })
  t.match(await say('proxy:clear-config shop'), { code: 1, stderr: /proxy:disable APP/ })
  t.match(await say('proxy:set --help'), { stdout: /client-max-body-size +Longest body/ })
})

t.test('whose word on clients counts is said for the whole instance', async t => {
  const { say, options } = await house(t)
  t.match(await say("proxy:set --global trusted-proxies 'cloudflare 10.0.0.0/8'"), { code: 0, stderr: '' })
  const { trustedProxies, proxyProtocol } = options.at(-1)!
  t.ok(trustedProxies.includes('173.245.48.0/20') && trustedProxies.includes('2400:cb00::/32'))
  t.equal(trustedProxies.at(-1), '10.0.0.0/8')
  t.equal(proxyProtocol, false)
  await say('proxy:set --global proxy-protocol on')
  t.equal(options.at(-1)!.proxyProtocol, true)
  t.match(await say('proxy:set shop trusted-proxies private'), {
    code: 1,
    stderr: /only be specified globally/,
  })
  t.match(await say('proxy:set --global trusted-proxies akamai'), { code: 1, stderr: /is no address/ })
  await say('proxy:set --global trusted-proxies')
  t.same(options.at(-1), { trustedProxies: [], proxyProtocol: true })
})

t.test('an app is taken off the web and put back', async t => {
  const { say, last } = await house(t)
  t.same(Object.keys(last().domains), ['shop.example.com'])
  t.equal((await say('proxy:report shop --proxy-enabled')).stdout, 'true\n')
  t.match(await say('proxy:disable shop'), { code: 0 })
  t.same(last().domains, {})
  t.equal((await say('proxy:report shop --proxy-enabled')).stdout, 'false\n')
  t.match(await say('url shop'), { code: 1 })
  t.match(await say('proxy:enable --all'), { code: 0 })
  t.same(Object.keys(last().domains), ['shop.example.com'])
  t.match(await say('proxy:disable'), { code: 1, stderr: /APP is missing/ })
  t.match(await say('proxy:disable nobody'), { code: 20 })
})

t.test('the route can be read, without what is secret in it', async t => {
  const hash = '$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
  const { say } = desk(t, [], {
    plugins: [
      {
        ...{ name: 'locks', about: '', api: 1 },
        hooks: {
          shapeRoute: route => ({
            ...route,
            upstreams: { 'x-shop.web.1': { host: '10.0.0.2', port: 5000 } },
            auth: { realm: 'Shop', users: { ann: hash } },
            pages: { '502': '<h1>secret</h1>' },
          }),
        },
      },
    ],
  })
  await say('apps:create shop')
  await say('domains:add shop a.test b.test')
  await say('nginx:set shop rate-limit 10r/s')
  const { stdout } = await say('nginx:show-config shop')
  t.match(stdout, /^domains: +a\.test, b\.test$/m)
  t.match(stdout, /^upstreams:\n {4}x-shop\.web\.1: +10\.0\.0\.2:5000$/m)
  t.match(stdout, /^rate:\n {4}requests: +10\n {4}seconds: +1\n {4}burst: +10$/m)
  t.match(stdout, /ann: +\*\*\*$/m)
  t.match(stdout, /502: +15 bytes of HTML$/m)
  t.notMatch(stdout, /scrypt|secret/)
  const json = JSON.parse((await say('proxy:show-config shop --format json')).stdout)
  t.match(json, { app: 'shop', auth: { users: { ann: '***' } } })
})

t.test('a route that the proxy cannot take is found', async t => {
  const { say, told } = desk(t, [], {
    plugins: [
      {
        ...{ name: 'broken', about: '', api: 1 },
        hooks: {
          shapeRoute: route => (route.app === 'shop' ? { ...route, headers: { 'a b': 'c' } } : route),
        },
      },
    ],
  })
  const last = (app: string) => told.findLast(each => (each as Route).app === app)
  await say('apps:create blog')
  await say('apps:create shop')
  t.match(await say('nginx:validate-config'), {
    code: 1,
    stdout: 'blog: ok\n',
    stderr: / ! {5}shop: .*a b/,
  })
  t.match(await say('nginx:validate-config blog'), { code: 0 })
  t.match(await say('nginx:set shop sticky on'), {
    code: 1,
    stderr: /cannot take the route of shop: .*A plugin/s,
  })
  t.match(await say('nginx:set --global sticky on'), { code: 1, stderr: /shop: .*The others are as set/s })
  t.equal(last('shop'), undefined, 'it is never told')
  t.match(last('blog'), { sticky: true })
})
