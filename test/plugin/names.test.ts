import t from 'tap'

import { isAppName, isProcessName, readAppName, readConfigKey, readHostname } from '../../src/plugin/names.ts'

t.test("an app's name is lower-case letters and digits with dots or dashes between", async t => {
  for (const name of ['shop', '1', 'a1', 'my-shop', 'my--shop', 'shop.example.com', 'a.b-c', 'a'.repeat(63)])
    t.equal(readAppName(name), name)
  for (const name of [
    '',
    'Shop',
    'my_shop',
    '-shop',
    'shop-',
    '.shop',
    'shop.',
    'a..b',
    'a.-b',
    'a-.b',
    'shöp',
    'shop\n',
    'sh op',
    '../shop',
    '--help',
    'a'.repeat(64),
  ]) {
    t.throws(() => readAppName(name), { code: 'bad-name', hint: /lower-case/ }, JSON.stringify(name))
  }
})

t.test('kinds of services are no names for apps', async t => {
  for (const name of ['postgres', 'redis', 'mariadb', 'mysql'])
    t.throws(() => readAppName(name), { code: 'bad-name', message: /kind of service/ })
  t.ok(isAppName('postgres-shop'))
})

t.test('a hostname is kept in lower case, without its final dot, in ASCII', async t => {
  const read = {
    'Shop.Example.COM': 'shop.example.com',
    'shop.example.com.': 'shop.example.com',
    'münchen.de': 'xn--mnchen-3ya.de',
    'MÜNCHEN.de': 'xn--mnchen-3ya.de',
    'xn--mnchen-3ya.de': 'xn--mnchen-3ya.de',
    '日本.jp': 'xn--wgv71a.jp',
    '日本。jp': 'xn--wgv71a.jp',
    localhost: 'localhost',
    'my_shop.example.com': 'my_shop.example.com',
    '*.example.com': '*.example.com',
    '*.Münster.de': '*.xn--mnster-3ya.de',
    'a.b3c': 'a.b3c',
  }
  for (const [text, hostname] of Object.entries(read)) t.equal(readHostname(text), hostname)
})

t.test('what names no host is refused in the words that scripts look for', async t => {
  for (const text of [
    '',
    '.',
    '*',
    '*.',
    '*.*.com',
    'a.*.com',
    'a..com',
    'a.com..',
    '.com',
    '-a.com',
    'a-.com',
    '1.2.3.4',
    '0x7f.1',
    '127.1',
    'shop.1',
    'shop.0x10',
    '[::1]',
    'shop:80',
    'user@shop.com',
    'a b.com',
    'a%2fb.com',
    `${'a'.repeat(64)}.com`,
    `${'abcdefg.'.repeat(32)}com`,
  ]) {
    t.throws(
      () => readHostname(text),
      { code: 'bad-domain', message: `${text} is invalid. exiting...` },
      JSON.stringify(text),
    )
  }
})

t.test('a URL, or a name with a stray character, is not cut down to a hostname', async t => {
  for (const text of [
    'http://shop.example.com',
    'shop.example.com/path',
    'shop.example.com?x',
    'shop.example.com#x',
    'shop\\example.com',
    'shop.exa\nmple.com',
    'shop.example.com\t',
    'shop.example.com\0',
  ])
    t.throws(() => readHostname(text), { code: 'bad-domain' }, JSON.stringify(text))
})

t.test('a config key is a shell identifier', async t => {
  for (const key of ['A', '_', 'DATABASE_URL', 'a1', '__proto__']) t.equal(readConfigKey(key), key)
  for (const key of ['', '1A', 'A-B', 'A.B', 'A=B', 'Ä', 'A\n', ' A'])
    t.throws(() => readConfigKey(key), { code: 'bad-key' }, JSON.stringify(key))
})

t.test('a process name has no dots, so that web.1 is always one container', async t => {
  for (const name of ['web', 'worker-2', 'a_b', 'Web', '1']) t.ok(isProcessName(name), name)
  for (const name of ['', 'web.1', '-web', '_web', 'web:', 'we b', '__proto__', 'a'.repeat(64)])
    t.notOk(isProcessName(name), name)
})
