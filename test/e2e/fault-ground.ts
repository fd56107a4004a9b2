import type { Test } from 'tap'

import { settled } from './leftovers.ts'
import { greeted, tarOf } from './plugged.ts'
import { type Result, type Sandbox, sandbox } from './sandbox.ts'
import { openVisitors } from './visitors.ts'

/** Where plugins go wrong in changes of one app, `shop`, while another, `blog`, is deployed and serves. */
export interface FaultGround {
  readonly box: Sandbox
  /** Another commit of `shop`. */
  pushShop(): Promise<{ code: number | null; text: string }>
  /** The same, while `blog` is deployed, which has to go well. */
  pushBoth(): Promise<{ code: number | null; text: string }>
  install(files: Readonly<Record<string, string>>): Promise<Result>
  /** Nobody was refused anything, and nothing is left over. */
  wasFine(t: Test): Promise<void>
}

export async function faultGround(t: Test): Promise<FaultGround> {
  const box = await sandbox(t)
  const shop = await greeted(box, 'shop')
  const blog = await box.checkout('echo', 'blog')
  await box.ssh('apps:create shop')
  for (const pushed of await Promise.all([shop.push(), blog.push()])) t.match(pushed, { code: 0 })
  const visitors = openVisitors({ port: box.httpPort, host: 'blog.localhost' }, ['kept', 'new'])
  t.teardown(() => visitors.stop())
  const another = async (checkout: typeof shop) => {
    await checkout.write('attempt', `${Date.now()}\n`)
    await checkout.commit('Another')
    return checkout.push()
  }
  return {
    box,
    pushShop: () => another(shop),
    async pushBoth() {
      const [one, other] = await Promise.all([another(shop), another(blog)])
      t.match(other, { code: 0 }, 'the other app is deployed')
      return one
    },
    install: async files => box.ssh('plugin:install -', { input: await tarOf(files) }),
    async wasFine(t) {
      await visitors.stop()
      const lost = visitors.visits.filter(
        ({ outcome }) => outcome.kind !== 'answered' || outcome.status !== 200,
      )
      t.strictSame(lost, [])
      t.ok(visitors.visits.length > 100, `${visitors.visits.length} requests`)
      t.same(await settled(box, { withinMs: 20_000 }), [])
    },
  }
}
