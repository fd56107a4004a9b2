import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import t from 'tap'

import { root } from '../../src/settings.ts'
import { settled } from './leftovers.ts'
import { tarOfFolder } from './plugged.ts'
import { type Sandbox, sandbox } from './sandbox.ts'

/** Says what is under `visits` in the cache that CACHE_URL leads to, one more each time. */
const server = `
use strict;
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die "$!\\n";
$SIG{TERM} = sub { exit 0 };
sub visits {
    my ($password, $host) = ($ENV{CACHE_URL} // '') =~ m{^redis://:(\\w+)\\@([\\w-]+):6379$} or return "none";
    my $cache = IO::Socket::INET->new(PeerAddr => $host, PeerPort => 6379, Timeout => 2) or return "unreachable";
    print $cache "AUTH $password\\r\\nINCR visits\\r\\n";
    return "refused" unless <$cache> =~ /OK/;
    return <$cache> =~ /^:(\\d+)/ ? $1 : "odd";
}
while (my $client = $server->accept) {
    while (my $line = <$client>) { last if $line =~ /^\\r?\\n$/ }
    my $body = visits();
    print $client "HTTP/1.1 200 OK\\r\\nContent-Length: ", length $body, "\\r\\nConnection: close\\r\\n\\r\\n$body";
    close $client;
}
`

t.test('an app has a service of a plugin that needs nothing but davit/plugin', async t => {
  const box = await sandbox(t)
  const shop = await box.checkout('dockerfile-base', 'shop')
  const blog = await box.checkout('echo', 'blog')
  await shop.write('server.pl', server)
  await shop.commit('Counts')
  await box.ssh('apps:create shop')
  t.match(await Promise.all([shop.push(), blog.push()]), [{ code: 0 }, { code: 0 }])
  const visits = async () => (await box.get('shop.localhost')).body
  t.equal(await visits(), 'none')
  t.match(
    await box.ssh('plugin:install -', { input: await tarOfFolder(join(root, 'plugins/examples/cache')) }),
    {
      code: 0,
    },
  )
  const container = `${box.instance}.cache.db`
  const state = async () => (await box.engine.inspect(container))?.state
  const within = async (wanted: () => Promise<boolean>, what: string) => {
    const until = Date.now() + 30_000
    while (!(await wanted())) {
      if (Date.now() > until) return t.fail(`it did not come about: ${what}`)
      await pause(100)
    }
    return t.pass(what)
  }

  t.test('it is made, and used by the app that it is linked to and by no other', async t => {
    t.match(await box.ssh('cache:create db'), { code: 0, stdout: /db is there, as davit-cache-db/ })
    t.match(await box.ssh('cache:create db'), { code: 1, stderr: /There is a cache service db already/ })
    t.match(await box.ssh('cache:create D_B'), { code: 0 })
    t.match(await box.ssh('cache:create d-b'), {
      code: 1,
      stderr: /cache service D_B is called davit-cache-d-b/,
    })
    t.match(await box.ssh('--force cache:destroy D_B'), { code: 0 })
    t.equal(await visits(), 'none')
    const asked = asking(visits)
    t.match(await box.ssh('cache:link db shop'), { code: 0, stdout: /shop has db as CACHE_URL/ })
    t.same(
      (await asked.stop()).filter(each => each !== 'none' && !/^\d+$/.test(each)),
      [],
      'nobody was refused anything',
    )
    t.match(await visits(), /^\d+$/)
    t.match(await box.ssh('cache:list'), { stdout: /^db shop$/m })
    t.match(await box.ssh('config:get shop CACHE_URL'), {
      stdout: /^redis:\/\/:[0-9a-f]{48}@davit-cache-db:6379/,
    })
    t.match(await box.ssh('config:unset shop CACHE_URL'), { code: 1, stderr: /cache/ })
    const { address } = infoOf((await box.ssh('cache:info db')).stdout)
    for (const host of ['davit-cache-db', address])
      t.match(
        await box.ssh(
          `run blog perl -MIO::Socket -e 'exit(IO::Socket::INET->new(PeerAddr => "${host}:6379", Timeout => 2) ? 0 : 3)'`,
        ),
        { code: 3 },
        `blog does not reach ${host}`,
      )
    t.match(await box.ssh('--force cache:destroy db'), { code: 1, stderr: /is linked to shop/ })
    t.match(await box.ssh('plugin:uninstall cache'), { code: 1, stderr: /it runs db/ })
  })

  t.test('a link is whole or not there, and may come before the first push', async t => {
    await box.ssh('apps:create late')
    await box.ssh('config:set late CACHE_URL=mine')
    t.match(await box.ssh('cache:link db late'), { code: 1, stderr: /CACHE_URL/ })
    t.match(await box.ssh('cache:list'), { stdout: 'db shop\n' })
    await box.ssh('config:unset late CACHE_URL')
    t.match(await box.ssh('cache:link db late'), { code: 0 })
    t.match(await box.ssh('cache:link db late'), { code: 0 }, 'again is fine')
    const late = await box.checkout('broken-release', 'late')
    t.match(await late.push(), { code: 1 }, 'a first push that fails')
    await late.write('Procfile', 'web: perl server.pl\n')
    await late.write('server.pl', server)
    await late.commit('Counts')
    t.match(await late.push(), { code: 0 })
    t.match((await box.get('late.localhost')).body, /^\d+$/)
    t.match(await box.ssh('--force apps:destroy late'), { code: 0 })
    t.match(await box.ssh('cache:list'), { stdout: 'db shop\n' }, 'a link goes with its app')
  })

  t.test('one that nobody waits for any more while it is made is taken away', async t => {
    const making = box.sshProcess(['davit', 'cache:create', 'gone'])
    const name = `${box.instance}.cache.gone`
    await within(async () => (await box.engine.inspect(name)) !== undefined, 'it is being made')
    making.kill('SIGKILL')
    await within(async () => (await box.engine.inspect(name)) === undefined, 'it is gone again')
    await within(async () => (await box.ssh('cache:create gone')).code === 0, 'its name is free')
    t.match(await box.ssh('--force cache:destroy gone'), { code: 0 })
  })

  t.test('what is in it goes out and comes in as a stream', async t => {
    const before = Number(await visits())
    const dump = await exported(box)
    t.equal(dump.subarray(0, 5).toString(), 'REDIS')
    await visits()
    t.match(await box.ssh('cache:import db', { input: dump }), { code: 0 })
    t.equal(await visits(), String(before + 1))
    t.match(await box.ssh('cache:import db', { input: 'no dump' }), {
      code: 1,
      stderr: /nothing was replaced/,
    })
    t.equal(await visits(), String(before + 2))
    t.match(await box.ssh('cache:cli db', { input: 'GET visits\n' }), { code: 0, stdout: `${before + 2}\n` })
    t.match(await box.ssh('cache:logs db'), { stdout: /Ready to accept connections/ })
  })

  t.test('it is brought back, whatever ends it, with what it held', async t => {
    const before = Number(await visits())
    await box.engine.stop(container, { seconds: 10 })
    await within(async () => /^\d+$/.test(await visits()), 'it runs again')
    await box.engine.remove(container)
    await within(async () => /^\d+$/.test(await visits()), 'it is made again')
    const ready = box.logged(/"msg":"ready: /)
    process.kill(await box.daemonPid(), 'SIGKILL')
    t.match(await visits(), /^\d+$/, 'it does without the daemon')
    await ready
    await box.stop()
    await box.engine.remove(container)
    await box.start()
    await within(async () => Number(await visits()) > before, 'what is in it is not lost')
  })

  t.test('it stays as people want it', async t => {
    t.match(await box.ssh('cache:stop db'), { code: 0 })
    await box.stop()
    await box.engine.start(container)
    await box.start()
    await within(async () => (await state()) === 'exited', 'one that is stopped stays so')
    t.match(await box.ssh('cache:cli db'), { code: 1, stderr: /is not running/ })
    t.match(await box.ssh('cache:start db'), { code: 0 })
    t.match(await visits(), /^\d+$/)
    t.match(await box.ssh('plugin:disable cache'), { code: 0 })
    t.match(await visits(), /^\d+$/, 'it goes on while its plugin is off')
    t.match(await box.ssh('plugin:enable cache'), { code: 0 })
    const before = Number(await visits())
    const logs = box.sshProcess(['davit', 'cache:logs', 'db', '-t'])
    let said = ''
    logs.stdout!.setEncoding('utf8').on('data', text => {
      said += text
    })
    await within(async () => said.includes('Ready to accept'), 'what it says is told')
    const until = said.length
    t.match(await box.ssh('cache:limit db -m 64'), { code: 0 })
    t.equal(Number(await visits()), before + 1, 'another container has what the one before had')
    await within(
      async () => said.slice(until).includes('Ready to accept'),
      'and what the next container says',
    )
    logs.kill()
    t.same(await settled(box, { withinMs: 10_000 }), [])
  })

  t.test('it is gone with its data when it is destroyed, and the app lost nothing but it', async t => {
    const asked = asking(visits)
    t.match(await box.ssh('cache:unlink db shop'), { code: 0 })
    t.same(
      (await asked.stop()).filter(each => each !== 'none' && !/^\d+$/.test(each)),
      [],
      'who was being answered had it to the end',
    )
    t.equal(await visits(), 'none')
    t.match(await box.ssh('cache:unlink db shop'), { code: 1, stderr: /is not linked to shop/ })
    t.match(await box.ssh('--force cache:destroy db'), { code: 0, stdout: /db is destroyed/ })
    t.equal(await state(), undefined)
    await t.rejects(access(join(box.data, 'services/cache.db')), { code: 'ENOENT' })
    t.match(await box.ssh('plugin:uninstall cache'), { code: 0 })
    t.same(await settled(box, { withinMs: 10_000 }), [])
    t.notMatch((await box.networks()).join(), /cache/)
  })
})

/** All that is answered until it is stopped, one request after another. */
function asking(visits: () => Promise<string>) {
  let isOver = false
  const all = (async () => {
    const answers: string[] = []
    while (!isOver) answers.push(await visits().catch((error: Error) => error.message))
    return answers
  })()
  return {
    stop() {
      isOver = true
      return all
    },
  }
}

function infoOf(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/(\w+): +(\S+)/g)].map(([, key, value]) => [key!, value!]))
}

/** As bytes: a dump is no text. */
async function exported(box: Sandbox): Promise<Buffer> {
  const child = box.sshProcess(['davit', 'cache:export', 'db'])
  return Buffer.concat(await Array.fromAsync(child.stdout as AsyncIterable<Buffer>))
}
