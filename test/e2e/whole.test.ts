import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import t from 'tap'

import { settled } from './leftovers.ts'
import { run, sandbox } from './sandbox.ts'

t.test('what was taken from under Davit is made whole', async t => {
  const box = await sandbox(t)
  const shop = await box.checkout('echo', 'shop')
  t.match(await shop.push(), { code: 0 })
  const [container, network] = [(await box.containers())[0]!, (await box.networks())[0]!]
  const docker = (...words: string[]) => run('docker', words)
  /** Any container's end makes Davit look; otherwise it does so every 30 s. */
  const look = () => box.ssh('run shop true')

  /** Its program takes a moment to listen. */
  const answer = async () => {
    for (let tries = 0; ; tries++) {
      const got = await box.get('shop.localhost', '/again')
      if (got.status === 200 || tries === 100) return got
      await pause(50)
    }
  }

  t.test('a container that lost its network is made anew', async t => {
    await docker('network', 'disconnect', '--force', network, container)
    await look()
    t.same(await settled(box, { withinMs: 10_000 }), [])
    t.match(await answer(), { status: 200, body: '/again one\n' })
  })

  t.test('so is one that ended and whose network was made again by another hand', async t => {
    await box.stop()
    await docker('stop', '--time', '1', container)
    await docker('network', 'rm', network)
    await box.start()
    t.same(await settled(box, { withinMs: 10_000 }), [])
    t.match(await answer(), { status: 200, body: '/again one\n' })
  })

  t.test('an app without its repository gets one, and takes a push', async t => {
    await box.stop()
    await rm(join(box.data, 'git/shop.git'), { recursive: true })
    await box.start()
    t.match(await shop.push(), { code: 0 })
  })

  t.test('an app that cannot be destroyed yet keeps nothing else from coming back', async t => {
    const other = await box.checkout('echo', 'other')
    t.match(await other.push(), { code: 0 })
    const guest = `${box.instance}-guest`
    await docker(
      'create',
      '--name',
      guest,
      '--network',
      `${box.instance}-other`,
      'davit/stack-base',
      'sleep',
      '60',
    )
    t.teardown(() => docker('rm', '--force', guest))
    await docker('start', guest)
    t.not((await box.ssh('--force apps:destroy other')).code, 0)
    await box.stop()
    for (const name of await box.containers()) await box.engine.remove(name)
    await box.start()
    t.match(await answer(), { status: 200, body: '/again one\n' })
    await docker('rm', '--force', guest)
    await look()
    t.same(await settled(box, { withinMs: 10_000 }), [])
    t.match(await box.ssh('apps:exists other'), { code: 20 })
  })
})
