import { t } from 'tap'

import type { Route } from '../../src/types.ts'
import { desk, terminal } from '../cli/desk.ts'

async function house(t: Parameters<typeof desk>[0]) {
  const all = desk(t)
  await all.say('domains:set-global example.com')
  await all.say('apps:create shop')
  await all.say('apps:create blog')
  const last = (app = 'shop') => all.told.findLast(each => (each as Route).app === app) as Route
  const map = async (app = 'shop') => (await all.say(`ports:report ${app} --ports-map`)).stdout.trim()
  return { ...all, last, map }
}

t.test('an app has the port of its image until it is said otherwise, and again after', async t => {
  const { say, map } = await house(t)
  t.equal((await say('ports:list shop')).stdout, '       http    80         5000\n')
  t.equal(
    (await say('ports:list shop', { terminal })).stdout,
    [
      '-----> Port mappings for shop',
      '-----> scheme  host port  container port',
      '       http    80         5000',
      '',
    ].join('\r\n'),
  )
  t.same(JSON.parse((await say('ports:list shop --format json')).stdout), [
    { scheme: 'http', host_port: 80, container_port: 5000 },
  ])
  t.equal(await map(), '')
  t.equal((await say('ports:report shop --ports-map-detected')).stdout, 'http:80:5000\n')
  t.match(await say('ports:set shop http:80:3000'), { code: 0, stdout: 'Ports of shop: http:80:3000\n' })
  t.equal(await map(), 'http:80:3000')
  t.match(await say('ports:clear shop'), { code: 0, stdout: 'Ports of shop: http:80:5000\n' })
  t.equal(await map(), '')
})

t.test('ports are added, replaced and taken away', async t => {
  const { say, map } = await house(t)
  await say('ports:add shop ws:8081:5000 tcp:9000:9001')
  t.equal(await map(), 'http:80:5000 http:8081:5000 tcp:9000:9001')
  await say('ports:add shop http:80:3000')
  t.equal(await map(), 'http:8081:5000 tcp:9000:9001 http:80:3000')
  await say('ports:remove shop 8081')
  t.equal(await map(), 'tcp:9000:9001 http:80:3000')
  await say('ports:add shop http:8082:1 http:8083:1')
  await say('ports:remove shop http:8082 http:8083:1')
  t.equal(await map(), 'tcp:9000:9001 http:80:3000')
  t.match(await say('ports:remove shop https:80'), { code: 1, stderr: /no such port/ })
  await say('ports:remove shop 9000')
  t.match(await say('ports:remove shop 80'), { code: 1, stderr: /all that leads to shop.*proxy:disable/s })
  t.equal(await map(), 'http:80:3000')
})

t.test('other ports of the host are in the route, and none but they where HTTP is not mapped', async t => {
  const { say, last, rooms } = await house(t)
  await say('ports:set shop http:80:5000 https:443:5000 tcp:9000:6379')
  t.same(last().ports, { '9000': { scheme: 'tcp', upstreams: {} } })
  t.same(Object.keys(last().domains), ['shop.example.com'])
  await say('ports:set shop tcp:9000:6379')
  t.same(last().domains, {})
  t.equal(last().protocol, undefined)
  t.match(await say('url shop'), { code: 1 }, 'it is found at no hostname')
  await say('ports:clear shop')
  t.same(Object.keys(last().domains), ['shop.example.com'])
  t.equal(last().ports, undefined)
  t.equal(rooms.store.properties.get('ports', last().app, 'map'), undefined)
})

t.test('an app of gRPC is one by its hostnames, by a port of its own, or both', async t => {
  const { say, last } = await house(t)
  await say('ports:set shop grpc:80:5000 grpcs:443:5000')
  t.match(last(), { protocol: 'grpc', ports: undefined })
  t.same(Object.keys(last().domains), ['shop.example.com'])
  await say('ports:set shop http:80:5000 grpc:9000:5001 grpcs:9443:5001')
  t.equal(last().protocol, undefined)
  t.same(last().ports, {
    '9000': { scheme: 'grpc', upstreams: {} },
    '9443': { scheme: 'grpcs', upstreams: {} },
  })
})

t.test('what cannot be, or is another’s, is refused by name and not kept', async t => {
  const { say, map, told } = await house(t)
  await say('ports:set blog tcp:9000:1')
  const before = told.length
  for (const [line, stderr] of [
    ['http:80', /no mapping of ports/],
    ['http:80:0', /no mapping of ports/],
    ['http:65536:1', /no mapping of ports/],
    ['udp:53:53', /no mapping of ports/],
    ['constructor:53:53', /no mapping of ports/],
    ['tcp:80:5000', /Port 80 speaks http or grpc, not tcp/],
    ['https:80:5000', /Port 80 speaks http or grpc, not https/],
    ['http:443:5000', /Port 443 speaks https or grpcs, not http/],
    ['http:80:5000 https:443:6000', /lead to one port of the container/],
    ['grpcs:80:5000', /Port 80 speaks http or grpc, not grpcs/],
    ['grpc:443:5000', /Port 443 speaks https or grpcs, not grpc/],
    ['grpc:80:5000 https:443:5000', /lead to one port of the container, in one protocol/],
    ['http:80:1 http:80:2', /cannot lead to two places/],
    ['tcp:9000:1', /Port 9000 leads to blog already.*ports:remove blog 9000/s],
    ['http:8080:5000', /Port 8080 is Davit's own/],
    ['tcp:2222:22', /Port 2222 is Davit's own/],
  ] as const)
    t.match(await say(`ports:set shop ${line}`), { code: 1, stderr }, line)
  t.equal(await map(), '')
  t.equal(told.length, before)
  t.match(await say('ports:set nobody http:80:1'), { code: 20 })
})
