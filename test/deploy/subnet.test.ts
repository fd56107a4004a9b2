import { t } from 'tap'

import { freeSubnet, gatewayOf, parseBlock, routedBlocks } from '../../src/deploy/subnet.ts'

const pool = '10.213.0.0/16'

t.test('the first /26 of the pool is taken first', async t => {
  t.equal(freeSubnet(pool, []), '10.213.0.0/26')
  t.equal(freeSubnet(pool, ['10.213.0.0/26']), '10.213.0.64/26')
  t.equal(freeSubnet(pool, ['10.213.0.64/26']), '10.213.0.0/26')
  t.equal(gatewayOf('10.213.0.64/26'), '10.213.0.65')
})

t.test('whatever overlaps is passed over, be it smaller, larger or in between', async t => {
  t.equal(freeSubnet(pool, ['10.213.0.0/24']), '10.213.1.0/26')
  t.equal(freeSubnet(pool, ['10.213.0.7/32']), '10.213.0.64/26')
  t.equal(freeSubnet(pool, ['10.213.0.63/32', '10.213.0.64/32', '10.213.0.192/30']), '10.213.0.128/26')
  t.equal(freeSubnet(pool, ['10.212.0.0/15']), undefined)
  t.equal(freeSubnet(pool, ['10.0.0.0/8']), undefined)
  t.equal(freeSubnet(pool, ['10.212.255.0/24', '10.214.0.0/16', '192.168.0.0/16']), '10.213.0.0/26')
})

t.test('a block counts from its first address, however it is written', async t => {
  t.equal(freeSubnet(pool, ['10.213.0.200/24']), '10.213.1.0/26')
  t.equal(freeSubnet('10.213.77.5/16', []), '10.213.0.0/26')
})

t.test('what is no IPv4 block is in nobody’s way', async t => {
  t.equal(freeSubnet(pool, ['fd00::/8', '', 'x', '10.213.0.0/33', '10.213.0.0']), '10.213.0.0/26')
})

t.test('a pool that is used up has none', async t => {
  const all = Array.from({ length: 1024 }, (_, at) => `10.213.${at >> 2}.${(at & 3) * 64}/26`)
  t.equal(freeSubnet(pool, all), undefined)
  t.equal(freeSubnet(pool, all.slice(0, -1)), '10.213.255.192/26')
  t.equal(freeSubnet('10.213.0.0/26', []), '10.213.0.0/26')
  t.equal(freeSubnet('10.213.0.0/27', []), undefined)
  t.equal(freeSubnet('nonsense', []), undefined)
})

t.test('addresses above 127 are as good as others', async t => {
  t.equal(freeSubnet('192.168.0.0/24', ['192.168.0.0/25']), '192.168.0.128/26')
  t.equal(freeSubnet('255.255.255.192/26', []), '255.255.255.192/26')
  t.strictSame(parseBlock('255.255.255.255/32'), { first: 2 ** 32 - 1, size: 1 })
})

t.test("the kernel's routes are read, but for the default one", async t => {
  t.strictSame(
    routedBlocks(
      table(
        ['00000000', '00000000'],
        ['0000D50A', '0000FFFF'],
        ['0000FEA9', '0000FFFF'],
        ['0101A8C0', 'FFFFFFFF'],
        ['000011AC', '00F0FFFF'],
      ),
    ),
    ['10.213.0.0/16', '169.254.0.0/16', '192.168.1.1/32', '172.17.0.0/20'],
  )
  t.strictSame(routedBlocks(table()), [])
  t.strictSame(routedBlocks(''), [])
})

t.test('a tunnel that takes the default route in two halves leaves room for apps', async t => {
  const routes = routedBlocks(table(['00000000', '00000080'], ['00000080', '00000080']))
  t.equal(freeSubnet(pool, routes), '10.213.0.0/26')
})

/** /proc/net/route with these destinations and masks. */
function table(...routes: readonly (readonly [string, string])[]): string {
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
  const rows = routes.map(([to, mask]) => `eth0\t${to}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0  `)
  return `${[head, ...rows].join('\n')}\n`
}
