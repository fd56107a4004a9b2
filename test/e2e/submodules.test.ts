import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import t from 'tap'

import { gitServer } from '../git/http.ts'
import { settled } from './leftovers.ts'
import { type Checkout, sandbox } from './sandbox.ts'

t.test('a pushed app is built with its submodules', async t => {
  const [box, server] = [await sandbox(t), await gitServer(t)]
  const perl = (text: string) =>
    `use IO::Socket::INET; $| = 1;
my $server = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die;
while (my $client = $server->accept) {
  while (my $line = <$client>) { last if $line =~ /^\\r?\\n$/ }
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: ${text.length}\\r\\nConnection: close\\r\\n\\r\\n${text}";
  close $client;
}
`
  const shop = await box.checkout('dockerfile-base', 'shop')
  const link = async (path: string, commit: string) => {
    await shop.git('update-index', '--add', '--cacheinfo', `160000,${commit},${path}`)
    await shop.git('commit', '-qm', 'Another commit of a submodule')
  }
  const one = await server.commit('engine', { 'server.pl': perl('one') })
  await shop.write('Dockerfile', (await text(shop, 'Dockerfile')).replace('server.pl', 'engine/server.pl'))
  await shop.write('.gitmodules', gitmodules('engine', `${server.url}/engine.git`))
  await shop.git('rm', '-q', '--cached', 'server.pl')
  await shop.git('add', 'Dockerfile', '.gitmodules')
  await link('engine', one)

  t.test('which is fetched, shown, and in the image', async t => {
    const pushed = await shop.push()
    t.match(pushed, { code: 0, text: /remote: -----> Fetching submodule engine\s[\s\S]*Building shop/ })
    t.match(await box.get('shop.localhost'), { status: 200, body: 'one' })
    t.match((await box.ssh('builds:output shop')).stdout, /-----> Fetching submodule engine/)
  })

  t.test('whose next commit is fetched too, and one that is there is not', async t => {
    await link('engine', await server.commit('engine', { 'server.pl': perl('two') }))
    t.match(await shop.push(), { code: 0, text: /Fetching submodule engine/ })
    t.equal((await box.get('shop.localhost')).body, 'two')
    const asked = server.asked.length
    await link('engine', one)
    const back = await shop.push()
    t.equal(back.code, 0, back.text)
    t.notMatch(back.text, /Fetching submodule/)
    t.equal((await box.get('shop.localhost')).body, 'one')
    t.equal(server.asked.length, asked)
  })

  t.test('a commit that nobody has rejects the push, and the old release serves on', async t => {
    const before = await everything()
    const { stdout: head } = await shop.git('rev-parse', 'HEAD')
    await link('engine', 'a'.repeat(40))
    const pushed = await shop.push()
    t.match(pushed, { code: 1, text: /at commit aaaaaaaaaa, which http:\S+engine\.git does not have/ })
    t.match(pushed.text, /Push it there first, from within engine[\s\S]*remote rejected/)
    t.equal((await box.get('shop.localhost')).body, 'one')
    t.strictSame(await everything(), before, 'nothing is left of it')
    t.match((await shop.git('ls-remote', 'davit', 'refs/heads/main')).stdout, head.trim())
    await shop.git('reset', '-q', '--soft', 'HEAD~1')
    await shop.git('update-index', '--cacheinfo', `160000,${one},engine`)
  })

  t.test('an address that is not taken is told before anything is built', async t => {
    for (const [url, says] of [
      ['git@example.com:org/engine.git', /over https only[\s\S]*https:\/\/example\.com\/org\/engine\.git/],
      ['../engine.git', /Davit does not know where that is/],
      ['file:///etc', /over https only/],
      ['https://10.1.2.3/engine.git', /10\.1\.2\.3 is not on the public internet/],
      ['https://169.254.169.254/latest/meta-data', /is not on the public internet/],
    ] as const) {
      await shop.write('.gitmodules', gitmodules('other', url))
      await shop.git('add', '.gitmodules')
      await shop.git('update-index', '--add', '--cacheinfo', `160000,${one},other`)
      await shop.git('rm', '-q', '--cached', 'engine')
      await shop.git('commit', '-qm', 'An address')
      const pushed = await shop.push()
      t.match(pushed, { code: 1, text: says })
      t.notMatch(pushed.text, /Building shop/)
      await shop.git('reset', '-q', '--hard', 'HEAD~1')
    }
    t.equal((await box.get('shop.localhost')).body, 'one')
  })

  t.test('a push that is cancelled while it fetches leaves nothing', async t => {
    const before = await everything()
    await link('engine', await server.commit('engine', { 'server.pl': perl('three') }))
    const { asked, ended } = hold()
    const pushing = shop.push()
    await asked
    t.match(await box.ssh('builds:cancel shop'), { code: 0 })
    t.match(await pushing, { code: 1, text: /Cancelled before it was live/ })
    await ended
    t.strictSame(await everything(), before)
  })

  t.test('a daemon that is killed while it fetches leaves nothing that goes on', async t => {
    const before = await everything()
    const { asked, ended } = hold()
    const pushing = shop.push()
    await asked
    const ready = box.logged(/"msg":"ready: /)
    process.kill(await box.daemonPid(), 'SIGKILL')
    // A silent server would be given up after a minute.
    t.not(await Promise.race([ended, pause(30_000, 'it goes on', { ref: false })]), 'it goes on')
    t.not((await pushing).code, 0)
    await ready
    t.strictSame(await everything(), before)
    server.answers = () => false
    t.match(await shop.push(), { code: 0, text: /Fetching submodule engine/ })
    t.equal((await box.get('shop.localhost')).body, 'three')
  })

  t.test('a folder of pages may be one', async t => {
    const pages = await server.commit('pages', { 'index.html': '<h1>Harbour</h1>', 'a/b.txt': 'deep' })
    const site = await box.checkout('static-site', 'site')
    await site.write('static.json', '{"root": "book"}')
    await site.write('.gitmodules', gitmodules('book', `${server.url}/pages.git`))
    await site.git('add', '-A')
    await site.git('update-index', '--add', '--cacheinfo', `160000,${pages},book`)
    await site.git('commit', '-qm', 'A book')
    t.match(await site.push(), { code: 0, text: /Fetching submodule book/ })
    t.match(await box.get('site.localhost'), { status: 200, body: '<h1>Harbour</h1>' })
    t.match(await box.get('site.localhost', '/a/b.txt'), { status: 200, body: 'deep' })
  })

  t.test('what was fetched goes with the app', async t => {
    t.match(await box.ssh('apps:rename shop store'), { code: 0 })
    t.strictSame((await readdir(join(box.data, 'git'))).sort(), ['site.git', 'store.git'])
    t.match(await box.ssh('--force apps:destroy store'), { code: 0 })
    t.strictSame(await readdir(join(box.data, 'git')), ['site.git'])
  })

  t.test('this host itself is not fetched from unless an admin allowed it', async t => {
    await box.stop()
    await box.start({ DAVIT_ALLOW_LOCAL: '' })
    const fresh = await box.checkout('static-site', 'fresh')
    await fresh.write('.gitmodules', gitmodules('book', `${server.url}/pages.git`))
    await fresh.git('add', '-A')
    await fresh.git('update-index', '--add', '--cacheinfo', `160000,${one},book`)
    await fresh.git('commit', '-qm', 'A book')
    const before = server.asked.length
    t.match(await fresh.push(), {
      code: 1,
      text: /127\.0\.0\.1 is not on the public internet[\s\S]*DAVIT_ALLOW_LOCAL=127\.0\.0\.1\/32/,
    })
    t.equal(server.asked.length, before)
  })

  /** The next request of git is not answered. */
  function hold() {
    const [asked, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    server.answers = request => {
      request.socket.once('close', ended.resolve)
      asked.resolve()
      return true
    }
    return { asked: asked.promise, ended: ended.promise }
  }

  /** Once what was replaced is gone. */
  async function everything() {
    t.same(await settled(box, { withinMs: 20_000 }), [])
    const repositories = await readdir(join(box.data, 'git'), { recursive: true })
    return {
      containers: await box.containers(),
      images: await box.images(),
      fetched: repositories.filter(each => /modules\/[^/]+$|tmp|\.lock$/.test(each)).sort(),
    }
  }
})

function gitmodules(path: string, url: string): string {
  return `[submodule "x"]\n\tpath = ${path}\n\turl = ${url}\n`
}

async function text(checkout: Checkout, path: string): Promise<string> {
  return (await checkout.git('show', `HEAD:${path}`)).stdout
}
