import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import t from 'tap'

import { plainEnv } from '../../src/settings.ts'
import { sandbox } from './sandbox.ts'

t.test('changes that meet each other', async t => {
  const box = await sandbox(t)
  const ann = await box.checkout('dockerfile-base', 'shop')
  t.match(await ann.push(), { code: 0 })

  t.test('of two pushes at once the later one is told to fetch first', async t => {
    const clone = join(box.dir, 'bobs')
    await ann.git('clone', '-q', ann.dir, clone)
    const bob = await box.checkout('dockerfile-base', 'bob')
    await bob.git('fetch', '-q', ann.dir, 'main')
    await bob.git('reset', '-q', '--hard', 'FETCH_HEAD')
    await bob.git('remote', 'set-url', 'davit', 'davit:shop')
    await ann.write('note', 'of Ann')
    await ann.commit('Of Ann')
    await bob.write('note', 'of Bob')
    await bob.commit('Of Bob')
    const results = await Promise.all([ann.push(), bob.push()])
    t.same(results.map(each => each.code).sort(), [0, 1])
    const [lost] = results.filter(each => each.code !== 0)
    t.match(lost?.text, /main has changed since this push began|fetch first/)
    const winner = results[0]?.code === 0 ? ann : bob
    const { stdout: head } = await winner.git('rev-parse', 'HEAD')
    t.match(
      (await box.ssh('releases:info shop')).stdout,
      new RegExp(`revision: +${head.trim()}`),
      'what git took is live',
    )
    t.match((await winner.git('ls-remote', 'davit', 'refs/heads/main')).stdout, head.trim())
  })

  t.test('who leaves once the release is live has pushed all the same', async t => {
    const app = await box.checkout('dockerfile-base', 'late')
    await box.ssh('apps:create late')
    const env = { ...plainEnv(), GIT_SSH_COMMAND: `ssh -F ${join(box.dir, 'ssh_config')}` }
    const child = spawn('git', ['push', 'davit', 'main'], {
      cwd: app.dir,
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    for await (const line of createInterface({ input: child.stderr })) if (/is deployed/.test(line)) break
    process.kill(-child.pid!, 'SIGKILL')
    await once(child, 'exit')
    const { stdout: head } = await app.git('rev-parse', 'HEAD')
    let tip = ''
    while (!tip.includes(head.trim())) tip = (await app.git('ls-remote', 'davit', 'refs/heads/main')).stdout
    t.equal((await box.get('late.localhost')).status, 200)
  })

  t.test('a refused push stands in the audit as refused', async t => {
    await ann.git('fetch', '-q', 'davit', 'main')
    await ann.git('reset', '-q', '--hard', 'FETCH_HEAD')
    await ann.write('Procfile', 'no process')
    await ann.commit('Broken')
    t.match(await ann.push(), { code: 1 })
    const { storeOf } = await import('./leftovers.ts')
    const store = storeOf(box)
    t.match(store.audit.list({ limit: 1 }), [{ person: 'ann', line: /git-receive-pack/, exit: 1 }])
    store.close()
  })

  t.test('a config change that failed comes live when it is tried again', async t => {
    const shop = await box.checkout('broken-exit', 'moody')
    await shop.write('Procfile', 'web: test "$MOOD" != bad && exec perl /app/server.pl\n')
    await shop.write(
      'server.pl',
      await (await import('node:fs/promises')).readFile(
        join(import.meta.dirname, '../fixtures/apps/dockerfile-base/server.pl'),
        'utf8',
      ),
    )
    await shop.commit('Moody')
    t.match(await shop.push(), { code: 0 })
    t.match(await box.ssh('config:set moody MOOD=bad'), { code: 1, stderr: /values are stored/ })
    t.match(await box.ssh('config:set moody MOOD=bad'), { code: 1 }, 'again it is tried, and fails')
    t.match(await box.ssh('config:set moody MOOD=good'), { code: 0 })
    t.equal((await box.get('moody.localhost')).status, 200)
  })

  t.test('config set while an app is stopped goes live with its start, and starts nothing', async t => {
    t.match(await box.ssh('ps:stop shop'), { code: 0 })
    t.match(await box.ssh('config:set shop TIDE=high'), { code: 0 })
    t.notMatch((await box.containers()).join(), /-shop\.web/)
    t.match(await box.ssh('ps:start shop'), { code: 0 })
    t.equal((await box.ssh('run shop printenv TIDE')).stdout, 'high\n')
  })

  t.test('an app of the same name, made right after the end of the first, stays', async t => {
    for (let round = 0; round < 5; round++) {
      t.match(await box.ssh('--force apps:destroy late'), { code: 0 })
      t.match(await box.ssh('apps:create late'), { code: 0 })
    }
    t.match(await box.ssh('apps:exists late'), { code: 0 })
  })
})
