import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Test } from 'tap'

import { routeOf } from '../../src/edge/route.ts'
import type { Plugin } from '../../src/plugin/define.ts'
import { root } from '../../src/settings.ts'
import type { Route } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'
import { rostered } from '../plugin/rostered.ts'
import { type Asking, ask, backend, stage } from '../proxy/stage.ts'

/** A desk with these of Davit's own plugins and the app `shop` at shop.test, and a real proxy that serves what it is told, in front of a real app. */
export async function shopBehind(t: Test, ...names: string[]) {
  const engine = { containers: async () => [], images: async () => [] }
  const all = desk(t, [], { plugins: await loaded(t, names), engine })
  await all.say('apps:create shop')
  await all.say('domains:add shop shop.test')
  const app = await backend(t, (_req, res) => res.setHeader('X-Powered-By', 'cats').end('the app'))
  const proxy = await stage(t, [], {}, ['127.0.0.1'])
  const last = () => all.told.findLast(each => (each as Route).app === 'shop') as Route
  return {
    ...all,
    last,
    /** What somebody hears who asks the proxy as it was told last. */
    ask(path: string, options?: Asking) {
      // As it comes over the wire.
      const route = routeOf(JSON.parse(JSON.stringify(last())))
      proxy.point({ ...route, upstreams: { 'shop.web.1': { host: app.host, port: app.port } } })
      return ask(proxy.port, path, options)
    },
  }
}

/** These of Davit's own plugins, as the loader reads them. */
export async function loaded(t: Test, names: readonly string[]): Promise<readonly Plugin[]> {
  const data = await mkdtemp(join(tmpdir(), 'davit-plugins-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  const { members, refused } = await rostered(t, [join(root, 'plugins')], { data })
  t.same(refused(), [])
  return members()
    .map(each => each.plugin)
    .filter(each => names.includes(each.name))
}
