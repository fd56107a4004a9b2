import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { t } from 'tap'

import { desk, terminal } from '../cli/desk.ts'
import { blog, calling, shop } from '../core/workshop.ts'
import { newRelease } from '../store/fixture.ts'

t.test('apps:list is decorated at a terminal only, and is JSON when asked', async t => {
  const { say, core } = desk(t)
  t.match(await say('apps:list'), {
    code: 0,
    stdout: '',
    stderr: " !     You haven't deployed any applications yet\n",
  })
  t.equal((await say('apps:list --format json')).stdout, '[]\n')
  for (const app of [shop, blog]) await core.apps.create(app, calling())
  t.equal((await say('apps:list')).stdout, 'blog\nshop\n')
  t.equal((await say('apps:list', { terminal })).stdout, '=====> My Apps\r\nblog\r\nshop\r\n')
  t.equal((await say('apps:list --format=json')).stdout, '["blog","shop"]\n')
})

t.test('apps:create says what comes next; a taken name is told', async t => {
  const { say } = desk(t)
  t.match((await say('apps:create shop', { terminal })).stdout, /^-----> Creating shop\.\.\.\r\n/)
  t.match(await say('apps:create shop'), { code: 1, stderr: / ! {5}Name is already taken/ })
  t.match(await say('apps:create Shop'), { code: 1, stderr: /cannot be an app's name/ })
  t.match(await say('apps:exists shop'), { code: 0, stdout: '', stderr: '' })
  t.match(await say('apps:exists blog'), { code: 20 })
})

t.test('pushes make apps unless the host was told otherwise', async t => {
  const { say, rooms } = desk(t)
  await say('apps:create shop')
  const set = () => rooms.store.properties.get('apps', undefined, 'disable-autocreation')
  t.match(await say('apps:set --global disable-autocreation true'), { code: 0 })
  t.equal(set(), 'true')
  t.match(await say('apps:set --global disable-autocreation maybe'), {
    code: 1,
    stderr: /not one of: true, false/,
  })
  t.match(await say('apps:set shop disable-autocreation true'), {
    code: 1,
    stderr: /only be specified globally/,
  })
  t.equal((await say('apps:report shop --app-computed-disable-autocreation')).stdout, 'true\n')
  t.equal((await say('apps:report shop --app-dir')).stdout, `${rooms.settings.data}/git/shop.git\n`)
  t.match(await say('apps:set --global disable-autocreation'), { code: 0 })
  t.equal(set(), undefined)
})

t.test('cleanup leaves an app alone that is being changed', async t => {
  const { say, core, rooms } = desk(t)
  await core.apps.create(shop, calling())
  await rooms.queue.exclusive(shop, 'a deploy', calling(), async () => {
    const { code, stdout, stderr } = await say('cleanup shop')
    t.match({ code, stdout }, { code: 0, stdout: 'Gone: 0 images\n' })
    t.match(stderr, 'shop is being changed')
  })
  t.match(await say('cleanup blog'), { code: 20 })
})

t.test('cleanup looks through every app, also after one that it cannot', async t => {
  const limits: unknown[] = []
  const engine = {
    containers: async () => [],
    images: async () => [],
    pruneCache: async (limit: unknown) => {
      limits.push(limit)
      return 1_600_000
    },
  }
  const { say, core, rooms } = desk(t, [], { engine })
  await core.apps.create(blog, calling())
  await core.apps.create(shop, calling())
  await say('builds:set --global cache 3')
  t.match(await say('cleanup'), { code: 0, stdout: 'Gone: 0 images, 2 MB of build cache\n' })
  t.same(limits, [{ unusedHours: 720, bytes: 3e9 }])
  await rooms.repositories.remove(blog)
  const { code, stdout, stderr } = await say('cleanup')
  t.match({ code, stdout }, { code: 1, stdout: 'Gone: 0 images, 2 MB of build cache\n' })
  t.match(stderr, 'Not everything could be looked through: blog.')
})

t.test('config goes in, comes out, and is never shown when it is set', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  const set = await say(`config:set shop A=1 'B=it'\\''s = "fine"' EMPTY=`)
  t.match(set, { code: 0, stderr: '' })
  t.notMatch(set.stdout, /fine/)
  t.equal((await say('config:get shop B')).stdout, `it's = "fine"\n`)
  t.equal((await say('config:get --quoted shop B')).stdout, `'it'\\''s = "fine"'\n`)
  t.match(await say('config:get shop EMPTY'), { code: 0, stdout: '\n' })
  t.match(await say('config:get shop MISSING'), { code: 1, stdout: '', stderr: '' })
  t.equal((await say('config:keys shop')).stdout, 'A\nB\nEMPTY\n')
  t.equal((await say('config:show shop')).stdout, `A:      1\nB:      it's = "fine"\nEMPTY:  \n`)
  t.equal((await say('config shop')).stdout, (await say('config:show shop')).stdout)
  t.match(await say('config:unset shop A MISSING'), { code: 0 })
  t.equal((await say('config:keys shop')).stdout, 'B\nEMPTY\n')
})

t.test("the host's config is under an app's, and shown with it when asked", async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  await say('config:set --global A=host B=host')
  await say('config:set shop A=shop')
  t.equal((await say('config:keys shop')).stdout, 'A\n')
  t.equal((await say('config:show --merged shop')).stdout, 'A:  shop\nB:  host\n')
  t.equal((await say('config:get --global A')).stdout, 'host\n')
  t.equal((await say('--app shop config:get A')).stdout, 'shop\n')
})

t.test('encoded values are decoded, and what is no base64 is refused as a whole', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  const text = 'two\nlines ü'
  for (const value of [
    Buffer.from(text).toString('base64'),
    Buffer.from(text).toString('base64').replace(/=+$/, ''),
  ]) {
    t.match(await say(`config:set --encoded shop KEY=${value}`), { code: 0 })
    t.equal((await say('config:get shop KEY')).stdout, `${text}\n`)
  }
  t.match(await say('config:set --encoded shop OK=eA== BAD=!!!'), {
    code: 1,
    stderr: /value of BAD is not base64/,
  })
  t.match(await say('config:get shop OK'), { code: 1 })
})

t.test('a pair that is none is told without its value', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  for (const pair of ['NOVALUE', '=x', '1A=x', 'A-B=x'])
    t.match(await say(`config:set shop ${pair}`), { code: 1, stdout: '' }, pair)
  t.match(await say('config:set shop'), { code: 1, stderr: /KEY=VALUE is missing/ })
})

t.test('domains are added, skipped and removed in the words that scripts know', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  t.equal(
    (await say('domains:add shop Shop.Example.com. münchen.de')).stdout,
    ['Added shop.example.com to shop', 'Added xn--mnchen-3ya.de to shop', ''].join('\n'),
  )
  t.match(await say('domains:add shop shop.example.com'), {
    code: 0,
    stdout: 'Skipping: shop.example.com already added to shop\n',
  })
  t.match(await say('domains:add shop new.com 1.2.3.4'), {
    code: 1,
    stderr: /1\.2\.3\.4 is invalid\. exiting\.\.\./,
  })
  t.match(
    (await say('domains:report shop --domains-app-vhosts')).stdout,
    'shop.example.com xn--mnchen-3ya.de\n',
  )
  t.match(await say('domains:remove shop shop.example.com x.com'), {
    stdout: 'Removed shop.example.com from shop\nSkipping: x.com does not lead to shop\n',
  })
  t.match(await say('url shop'), { code: 0, stdout: 'http://xn--mnchen-3ya.de:8080\n' })
})

t.test('an app that nothing leads to has no URL', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  t.match(await say('url shop'), {
    code: 1,
    stderr: /No domain leads to shop\.(.|\n)*domains:add shop DOMAIN/,
  })
})

t.test('processes are counted before the first deploy, too', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  t.match(await say('ps:scale shop web=2 worker=1'), { code: 0 })
  t.equal((await say('ps:scale shop')).stdout, 'proctype: qty\n--------: ---\nweb: 2\nworker: 1\n')
  t.match((await say('ps:scale shop', { terminal })).stdout, /^-----> Scaling for shop\r\n/)
  t.equal((await say('ps:scale shop --format json')).stdout, '{"web":2,"worker":1}\n')
  for (const count of ['web', 'web=', 'web=-1', 'web=51', 'web=1.5', '=1', 'release=1', 'w.b=1'])
    t.match(await say(`ps:scale shop ${count}`), { code: 1, stdout: '' }, count)
  t.match(await say('ps:restart'), { code: 1, stderr: /APP is missing/ })
  t.match(await say('ps:restart shop'), { code: 0, stderr: / ! {5}shop was never deployed/ })
  t.match(await say('ps:set shop stop-timeout-seconds 0'), { code: 1 })
})

t.test('a deploy branch is one that git could have', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  for (const branch of ['main', 'feature/x', 'v1.0', 'a@b', 'ü'])
    t.match(await say(`git:set shop deploy-branch '${branch}'`), { code: 0 }, branch)
  for (const branch of [
    '--upload-pack=x',
    '-x',
    'a b',
    'a..b',
    'a.lock',
    '/a',
    'a/',
    'a~1',
    'a^',
    'a:b',
    '*',
    '@{1}',
  ])
    t.match(
      await say(`git:set shop deploy-branch -- '${branch}'`),
      { code: 1, stderr: /cannot be a branch/ },
      branch,
    )
  t.match(await say('git:report shop --git-deploy-branch'), { stdout: 'ü\n' })
})

t.test('releases are listed, and one is shown by its number', async t => {
  const { say, core, rooms } = desk(t)
  await core.apps.create(shop, calling())
  t.match(await say('releases:list shop'), { code: 0, stderr: /shop was never deployed/ })
  t.equal((await say('releases:list shop --format json')).stdout, '[]\n')
  rooms.store.releases.add(
    shop,
    newRelease({ revision: 'abcdef0123456789', config: { B: '1', A: 'secret' } }),
  )
  rooms.store.releases.makeLive(shop, 1)
  const { stdout } = await say('releases:list shop')
  t.match(
    stdout,
    /^RELEASE +STATE +REVISION +MADE +BY +WHY\n1 +live +abcdef01 +\d{4}-\d\d-\d\d \d\d:\d\dZ +ana +push\n$/,
  )
  for (const line of ['releases:info shop', 'releases:info shop 1', 'releases:info shop v1']) {
    const { stdout } = await say(line)
    t.match(stdout, /config keys: +A B/, line)
    t.notMatch(stdout, /secret/, line)
  }
  t.match(await say('releases:info shop 2'), { code: 1, stderr: /shop has no release 2/ })
  t.match(await say('releases:info shop x'), { code: 1, stderr: /not a whole number/ })
})

t.test('a key comes on stdin, or from a file on the host itself alone', async t => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEMZs3XdEDTsfIw1gAJAyzUVc2lVpgcbgoEbNPQ+oz ann@x\n'
  const { say } = desk(t)
  const added = await say('ssh-keys:add ann', { input: key })
  t.match(added, { code: 0, stdout: /^SHA256:\S{43}\n$/ })
  t.match(await say('ssh-keys:add bob', { input: key }), { code: 1 })
  t.match(await say('ssh-keys:add bob', { input: '' }), { code: 1 })
  t.match(await say('ssh-keys:add bob', { input: 'x'.repeat(70_000) }), {
    code: 1,
    stderr: /too long to be a key/,
  })
  t.match(await say('ssh-keys:add bob', { terminal }), { code: 1, stderr: /No key came in/ })
  t.match(await say('ssh-keys:add bob /etc/passwd'), { code: 1, stderr: /on the host itself only/ })
  t.match(await say('ssh-keys:list'), {
    stdout: `${added.stdout.trim()} NAME="ann" TYPE="ssh-ed25519" ROLE="admin"\n`,
  })
  t.match(await say('ssh-keys:list nobody'), { code: 1, stderr: /No key is called nobody/ })
  t.match(await say('ssh-keys:remove ann'), { code: 1, stderr: /last key/ })
  t.match(await say('ssh-keys:remove'), { code: 1, stderr: /Name the key/ })
  for (const line of ['ssh-keys:remove ann --force', '--force ssh-keys:remove ann']) {
    t.match(await say(line), { code: 0, stdout: /^Removed ann SHA256:/ }, line)
    const file = join(t.testdir(), 'key.pub')
    await writeFile(file, key)
    t.match(await say(`ssh-keys:add ann ${file}`, { local: true }), { code: 0 })
  }
  t.match(await say('ssh-keys:add bob /no/such', { local: true }), {
    code: 1,
    stderr: /Cannot read \/no\/such/,
  })
})

t.test('run wants a command, and an app that was deployed', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  t.match(await say('run shop'), { code: 1, stderr: /COMMAND is missing/ })
  t.match(await say('run shop ls -la'), { code: 1, stderr: /shop was never deployed/ })
  t.match(await say('run -e X shop ls'), { code: 1, stderr: /"X" is not KEY=VALUE/ })
  t.match(await say('run nobody ls'), { code: 20 })
})

t.test('version is told to scripts and people', async t => {
  const { say } = desk(t)
  for (const line of ['version', '--version', '-v'])
    t.equal((await say(line)).stdout, 'davit version 0.0.0\n')
})
