import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import t, { type Test } from 'tap'

import { plainEnv } from '../../src/settings.ts'
import { type Checkout, type Sandbox, sandbox } from './sandbox.ts'

t.test('whatever is interrupted before it is live is undone', async t => {
  const box = await sandbox(t)
  const good = await box.checkout('dockerfile-base', 'shop')
  t.match(await good.push(), { code: 0 })
  const before = { containers: await box.containers(), images: await box.images() }

  t.test('a pusher who leaves while the app is not ready yet', async t => {
    const slow = await slowStart(box, 'slow')
    const push = startPush(slow, box)
    await push.says(/Starting web\.1/)
    const undone = box.logged(/a change was undone/)
    push.leave()
    await undone
    await nothingLeft(t, box, before)
    t.match((await box.ssh('releases:list shop')).stdout, /^2 +failed/m)
  })

  t.test('a daemon that is killed while the app is not ready yet', async t => {
    const slow = await slowStart(box, 'slower')
    const push = startPush(slow, box)
    await push.says(/Starting web\.1/)
    const again = box.logged(/"msg":"ready: /)
    process.kill(await box.daemonPid(), 'SIGKILL')
    t.equal((await box.get('shop.localhost')).status, 200, 'the proxy serves without the daemon')
    t.not(await push.ended, 0, 'the push is refused')
    await again
    await nothingLeft(t, box, before)
    t.match(
      (await box.ssh('releases:info shop 3')).stdout,
      /failure: +Davit was stopped before the release was live/,
    )
  })

  t.test('a second push waits for the first, and says for whom', async t => {
    await box.ssh('checks:set shop deadline 3')
    const first = startPush(await slowStart(box, 'first'), box)
    await first.says(/Starting web\.1/)
    const second = startPush(await slowStart(box, 'second'), box)
    await second.says(/Waiting for ann's push \(shop\) to end/)
    t.not(await first.ended, 0)
    await second.says(/Starting web\.1/)
    t.not(await second.ended, 0)
    await nothingLeft(t, box, before)
  })

  t.test('everything comes back after Davit and its containers were killed', async t => {
    await box.stop('SIGKILL')
    for (const name of await box.containers()) await box.engine.kill(name, { signal: 'KILL' })
    await box.start()
    t.same(await box.containers(), before.containers)
    await eventually(async () => (await box.get('shop.localhost')).status === 200)
    t.pass('the app answers without a deploy')
  })

  t.test('a container removed behind our back is made again at its address', async t => {
    const started = box.logged(/starting a container again/)
    await box.engine.remove(before.containers[0]!)
    await started
    await eventually(async () => (await box.get('shop.localhost')).status === 200)
    t.same(await box.containers(), before.containers)
  })
})

async function nothingLeft(t: Test, box: Sandbox, before: { containers: string[]; images: string[] }) {
  t.same(await box.containers(), before.containers, 'no container is left')
  t.same(await box.images(), before.images, 'no image is left')
  t.equal((await box.get('shop.localhost')).status, 200, 'the old release serves')
}

/** An app that never becomes ready, pushed to shop. */
async function slowStart(box: Sandbox, name: string): Promise<Checkout> {
  const slow = await box.checkout('broken-never-listens', name)
  await slow.write('NAME', name)
  await slow.commit('Another')
  await slow.git('remote', 'set-url', 'davit', 'davit:shop')
  return slow
}

/** A push under way, whose lines can be waited for. */
function startPush({ dir }: Checkout, box: Sandbox) {
  const env = { ...plainEnv(), GIT_SSH_COMMAND: `ssh -F ${join(box.dir, 'ssh_config')}` }
  const child = spawn('git', ['push', '--force', 'davit', 'main'], {
    cwd: dir,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  const lines: string[] = []
  const input = createInterface({ input: child.stderr })
  input.on('line', line => lines.push(line))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return {
    ended,
    /** The whole group: git's ssh would otherwise linger. */
    leave: () => process.kill(-child.pid!, 'SIGKILL'),
    async says(words: RegExp) {
      while (!lines.some(line => words.test(line))) {
        if (child.exitCode !== null)
          throw new Error(`the push ended without saying ${words}:\n${lines.join('\n')}`)
        await Promise.race([once(input, 'line'), ended])
      }
    },
  }
}

/** Asks until it is so, at most 20 s. */
async function eventually(check: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + 20_000
  while (!(await check())) {
    if (Date.now() > until) throw new Error('it did not come about within 20 s')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
