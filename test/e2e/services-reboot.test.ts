import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import t from 'tap'

import { openOwnEngine } from '../../scripts/chaos.d/own-engine.ts'
import { settled } from './leftovers.ts'
import { run, sandbox } from './sandbox.ts'
import { shelves } from './shelves.ts'

const asRoot = process.getuid?.() === 0 ? {} : { skip: 'only root can have an engine of its own' }

t.test('services and their links outlive the engine and the host', asRoot, async t => {
  const dir = await mkdtemp(join(tmpdir(), 'davit-own-'))
  const engine = await openOwnEngine(join(dir, 'engine'))
  t.teardown(async () => {
    await engine.close()
    await rm(dir, { recursive: true, force: true })
  })
  const pool = '10.218.0.0/16'
  // The firewall is another engine's, which knows nothing of these networks.
  const rule = ['DOCKER-USER', '-s', pool, '-d', pool, '-j', 'ACCEPT']
  await run('iptables', ['-I', ...rule])
  t.teardown(() => run('iptables', ['-D', ...rule]))
  const box = await sandbox(t, { docker: engine.socket, env: { DAVIT_POOL: pool } })
  const ask = await shelves(t, box, 'shop')
  t.match(await box.ssh('shelf:create db one'), { code: 0 })
  t.match(await box.ssh('shelf:create other two'), { code: 0 })
  t.match(await box.ssh('shelf:stop other'), { code: 0 })
  t.match(await box.ssh('shelf:write db', { input: 'kept\n' }), { code: 0 })
  t.match(await box.ssh('shelf:link db shop'), { code: 0 })
  t.equal(await ask(), 'one:kept ', 'it is reached')

  const back = async (what: string) => {
    const until = Date.now() + 60_000
    while (Date.now() < until && (await ask().catch(() => '')) !== 'one:kept ') await pause(100)
    t.equal(await ask(), 'one:kept ', what)
    t.equal((await box.ssh('shelf:list')).stdout.replace(/with \d+/, ''), 'db running shop\nother exited \n')
    t.same(await settled(box, { withinMs: 20_000 }), [])
  }
  await engine.restart()
  await back('after the engine was restarted')
  await engine.kill(500)
  await back('after the engine was killed')
  await Promise.all([box.stop('SIGKILL'), engine.powerOff()])
  await engine.powerOn()
  await box.start()
  await back('after the host went down')

  const told = async () => (await box.ssh('events -n 1')).stdout
  for (let tries = 0; tries < 100 && !/again and again/.test(await told()); tries++) {
    if ((await box.engine.inspect(`${box.instance}.shelf.db`))?.state === 'running')
      await box.engine.kill(`${box.instance}.shelf.db`, { signal: 'KILL' })
    await pause(100)
  }
  t.match(await told(), /! The shelf service db ends again and again\./)

  t.match(await box.ssh('--force apps:destroy shop'), { code: 0 }, 'an app with a link goes')
  t.match((await box.ssh('shelf:list')).stdout, /^db \w+( with \d+)?\n/)
  t.match(await box.ssh('shelf:destroy db'), { code: 0 })
  t.match(await box.ssh('shelf:destroy other'), { code: 0 })
  t.same(await settled(box, { withinMs: 20_000 }), [])
})
