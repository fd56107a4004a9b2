import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import t from 'tap'

import { run, sandbox } from './sandbox.ts'

t.test('the life of an app', async t => {
  const box = await sandbox(t)
  await box.ssh('apps:create shop')
  const shop = await box.checkout('worker', 'shop')
  t.equal((await shop.push()).code, 0)

  t.test('config is seen by the app, and the same again does nothing', async t => {
    t.match(await box.ssh("config:set shop GREETING='hi there' EMPTY="), { code: 0 })
    t.equal((await box.ssh('run shop printenv GREETING')).stdout, 'hi there\n')
    const containers = await box.containers()
    t.match(await box.ssh("config:set shop GREETING='hi there'"), { code: 0 })
    t.same(await box.containers(), containers)
    t.match(await box.ssh('config:get shop GREETING'), { code: 0, stdout: 'hi there\n' })
    t.match(await box.ssh('config:get shop NOPE'), { code: 1, stdout: '' })
    t.match(await box.ssh('config:unset shop EMPTY'), { code: 0 })
    t.match((await box.ssh('config shop')).stdout, /^GREETING: +hi there$/m)
    const long = 'x'.repeat(120_000)
    t.match(await box.ssh(`config:set shop LONG=${long}`), { code: 0 })
    t.equal((await box.ssh('run shop printenv LONG')).stdout, `${long}\n`)
    t.match(await box.ssh('config:import shop', { input: 'GREETING="from a file"\nLONG=short' }), { code: 0 })
    t.equal((await box.ssh('run shop printenv GREETING LONG')).stdout, 'from a file\nshort\n')
    t.match(await box.ssh("config:set shop GREETING='hi there'"), { code: 0 })
  })

  t.test('run hands over words, stdin, stderr and the exit code', async t => {
    t.match(await box.ssh('run shop sh -c "echo out; echo err >&2; exit 7"'), {
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    })
    t.match(await box.ssh('run shop cat', { input: 'through the door\n' }), {
      code: 0,
      stdout: 'through the door\n',
    })
    t.match(await box.ssh('run -e COLOUR=blue shop printenv COLOUR'), { code: 0, stdout: 'blue\n' })
    t.notMatch((await box.containers()).join(), /\.run\./, 'its container is gone')
  })

  t.test('a terminal is a terminal', async t => {
    const child = box.sshProcess(['-tt', 'davit', 'run shop tty'])
    let text = ''
    child.stdout!.on('data', chunk => {
      text += chunk
    })
    const [code] = await once(child, 'close')
    t.equal(code, 0)
    t.match(text, /\/dev\/(pts\/\d|console)/)
  })

  t.test('logs follow the app through a deploy', async t => {
    const child = box.sshProcess(['davit', 'logs shop -t -p worker'])
    const lines = createInterface({ input: child.stdout! })
    const seen: string[] = []
    lines.on('line', line => seen.push(line))
    await box.ssh('ps:scale shop worker=1')
    for await (const [line] of [await once(lines, 'line')]) t.match(line, /^\d{4}-\S+Z shop\[worker\.1\]: /)
    child.kill('SIGINT')
    await once(child, 'close')
    t.match((await box.ssh('logs shop -n 1 -p worker.1')).stdout, /shop\[worker\.1\]: /)
    t.match(await box.ssh('logs shop -n none'), { code: 1, stderr: /not a whole number/ })
  })

  t.test('a key that is removed ends what runs with it, and may say that of itself', async t => {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(box.dir, 'bob')])
    const letIn = async () => box.ssh('ssh-keys:add bob', { input: await readFile(join(box.dir, 'bob.pub')) })
    // Not by the usual configuration, which would fall back to the usual key.
    const options = [
      ...['IdentitiesOnly=yes', 'IdentityAgent=none', 'BatchMode=yes', 'StrictHostKeyChecking=no'],
      ...[`UserKnownHostsFile=${join(box.dir, 'known_hosts')}`, `ControlPath=${join(box.dir, 'bob.mux')}`],
    ].flatMap(each => ['-o', each])
    const bob = ['-F', '/dev/null', '-i', join(box.dir, 'bob'), '-p', `${box.sshPort}`, ...options]
    const as = (...words: string[]) => box.sshProcess([...bob, ...words])
    t.match(await letIn(), { code: 0 })
    const following = as('-M', 'davit@127.0.0.1', 'logs shop -t')
    const closed = once(following, 'close')
    const [first] = await once(following.stdout!, 'data')
    t.match(String(first), /shop\[/)
    t.match(await box.ssh('ssh-keys:remove bob'), { code: 0, stdout: /^Removed bob/ })
    t.not((await closed)[0], 0)
    const [code] = await once(as('davit@127.0.0.1', 'apps:list'), 'close')
    t.equal(code, 255, 'nor is anything new begun over his connection')

    t.match(await letIn(), { code: 0 })
    const himself = as('davit@127.0.0.1', 'ssh-keys:remove bob')
    const [said] = await once(himself.stdout!, 'data')
    t.match(String(said), /^Removed bob/)
    t.same(await once(himself, 'close'), [0, null])
  })

  t.test('scale starts what is missing and ends what is too much', async t => {
    const web = (await box.containers()).filter(each => each.includes('.web.'))
    t.match(await box.ssh('ps:scale shop web=2'), { code: 0 })
    const two = (await box.containers()).filter(each => each.includes('.web.'))
    t.equal(two.length, 2)
    t.ok(two.includes(web[0]!), 'the one that ran goes on')
    t.match((await box.ssh('ps:scale shop')).stdout, /^web: 2$/m)
    t.match(await box.ssh('ps:scale shop nothing=1'), { code: 1, stderr: /no process nothing/ })
    t.match(await box.ssh('ps:scale shop web=many'), { code: 1, stderr: /PROCESS=COUNT/ })
    t.match(await box.ssh('ps:scale shop web=1 worker=0'), { code: 0 })
  })

  t.test('rollback brings code and config back in a moment', async t => {
    t.match(await box.ssh('config:set shop GREETING=changed'), { code: 0 })
    const { stdout } = await box.ssh('releases:rollback shop')
    t.match(stdout, /rollback to \d+/)
    t.equal((await box.ssh('config:get shop GREETING')).stdout, 'hi there\n')
    t.match(await box.ssh('releases:rollback shop 99'), { code: 1, stderr: /no release 99/ })
    t.match((await box.ssh('releases:info shop')).stdout, /state: +live/)
    t.match(JSON.parse((await box.ssh('releases:list shop --format json')).stdout)[0], {
      state: 'live',
      by: 'ann',
    })
  })

  t.test('restart puts new containers in place', async t => {
    const before = await box.containers()
    t.match(await box.ssh('ps:restart shop'), { code: 0 })
    const after = await box.containers()
    t.notOk(after.every(each => before.includes(each)))
    t.equal((await box.get('shop.localhost')).status, 200)
  })

  t.test('stop, then start', async t => {
    t.match(await box.ssh('ps:stop shop'), { code: 0 })
    t.same(
      (await box.containers()).filter(each => each.includes('shop.web')),
      [],
    )
    t.equal((await box.get('shop.localhost')).status, 503)
    t.match(await box.ssh('ps:start shop'), { code: 0 })
    t.equal((await box.get('shop.localhost')).status, 200)
    t.match((await box.ssh('ps:report shop')).stdout, /^ {7}Running: +true$/m)
  })

  t.test('domains lead to one app, restart nothing, and go again', async t => {
    const before = await box.containers()
    t.match(await box.ssh('domains:add shop www.shop.test *.shop.test'), {
      code: 0,
      stdout: /Added www\.shop\.test to shop/,
    })
    t.equal((await box.get('www.shop.test')).status, 200)
    t.equal((await box.get('deep.er.shop.test')).status, 200)
    await box.ssh('apps:create other')
    t.match(await box.ssh('domains:add other www.shop.test'), { code: 1, stderr: /belongs to shop/ })
    t.match(await box.ssh('domains:add shop www.shop.test'), { code: 0, stdout: /Skipping/ })
    t.match(await box.ssh('domains:add shop bad..x'), { code: 1, stderr: /is invalid/ })
    t.match((await box.ssh('urls shop')).stdout, /http:\/\/www\.shop\.test/)
    t.match(await box.ssh('domains:remove shop www.shop.test *.shop.test'), { code: 0 })
    t.equal((await box.get('www.shop.test')).status, 404)
    t.match((await box.ssh('domains:report shop --domains-app-vhosts')).stdout, 'shop.localhost\n')
    t.same(await box.containers(), before)
  })

  t.test('the host has domains of its own', async t => {
    t.match(await box.ssh('domains:set-global apps.test'), { code: 0 })
    t.equal((await box.get('shop.apps.test')).status, 200)
    t.equal((await box.get('shop.localhost')).status, 404)
    t.match((await box.ssh('url shop')).stdout, /^http:\/\/shop\.apps\.test:/)
  })

  t.test('a clone is live under its own name, and is pushed to like any app', async t => {
    await box.ssh('config:set shop KIND=original')
    t.match(await box.ssh('apps:clone shop twin'), {
      code: 0,
      stdout: /Push to it with: git remote add davit ssh:/,
    })
    t.equal((await box.ssh('run twin printenv KIND')).stdout, 'original\n')
    t.equal((await box.get('twin.apps.test')).body, (await box.get('shop.apps.test')).body)
    t.match((await box.ssh('releases:list twin')).stdout, /^1 +live .*clone of shop/m)
    t.match(await box.ssh('apps:clone shop twin'), { code: 1, stderr: /Name is already taken/ })
    t.match(await box.ssh('apps:clone --ignore-existing shop twin'), { code: 0, stderr: /is already taken/ })
    t.match(await box.ssh('apps:clone nosuch other'), { code: 20, stderr: /App nosuch does not exist/ })
    t.match(await box.ssh('apps:clone shop Not_A_Name'), { code: 1, stderr: /Not_A_Name/ })
    await box.ssh('config:set twin KIND=clone')
    t.equal((await box.ssh('config:get shop KIND')).stdout, 'original\n')
    await shop.write('note', 'for the clone')
    await shop.commit('For the clone')
    const pushed = await shop.git('push', 'davit:twin', 'main')
    t.equal(pushed.code, 0, pushed.stderr)
    t.match(await box.ssh('--force apps:destroy twin'), { code: 0 })
    t.equal((await box.get('shop.apps.test')).status, 200, 'the image of the one outlives the other')
    t.match(await box.ssh('ps:restart shop'), { code: 0 })
  })

  t.test('a clone that does not come up leaves nothing, one that need not waits for its push', async t => {
    t.match(await box.ssh('config:set --no-restart shop PYTHONHOME=/nowhere'), { code: 0 })
    const failed = await box.ssh('apps:clone shop twin')
    t.equal(failed.code, 1)
    t.match(failed.stdout, /twin is taken away again/)
    t.match(await box.ssh('apps:exists twin'), { code: 20 })
    t.notMatch((await box.containers()).join(), /twin/)
    t.notMatch((await box.networks()).join(), /twin/)
    t.notMatch((await box.images()).join(), /twin/)
    t.match(await box.ssh('apps:clone --skip-deploy shop twin'), { code: 0 })
    t.equal((await box.get('twin.apps.test')).status, 503)
    t.match((await box.ssh('config:get twin PYTHONHOME')).stdout, '/nowhere\n')
    t.match(await box.ssh('config:unset twin PYTHONHOME'), { code: 0 })
    t.equal((await shop.git('push', 'davit:twin', 'main')).code, 0)
    t.equal((await box.get('twin.apps.test')).status, 200)
    t.match(await box.ssh('--force apps:destroy twin'), { code: 0 })
    t.match(await box.ssh('config:unset --no-restart shop PYTHONHOME'), { code: 0 })
  })

  t.test('a push makes no app where the host was told so', async t => {
    t.match(await box.ssh('apps:set --global disable-autocreation true'), { code: 0 })
    const refused = await shop.git('push', 'davit:nosuch', 'main')
    t.not(refused.code, 0)
    t.match(refused.stderr, /App nosuch does not exist/)
    t.match(await box.ssh('apps:exists nosuch'), { code: 20 })
    t.match(await box.ssh('apps:set --global disable-autocreation'), { code: 0 })
  })

  t.test('destroyed, nothing of it is left', async t => {
    t.match(await box.ssh('apps:destroy shop'), { code: 1, stderr: /--force/ })
    t.match(await box.ssh('--force apps:destroy shop'), { code: 0, stdout: /Destroying shop/ })
    t.match(await box.ssh('apps:exists shop'), { code: 20 })
    t.same(await box.containers(), [])
    t.same(await box.networks(), [])
    t.same(await box.images(), [])
    t.equal((await box.get('shop.apps.test')).status, 404)
  })
})
