import { type Test, t } from 'tap'

import type { Plugin } from '../../src/plugin/define.ts'
import type { AppName } from '../../src/types.ts'
import { blog, calling, shop, workshop } from './workshop.ts'

t.test("an app is found under each of the host's domains, and under its own", async t => {
  const { core, add } = await house(t)
  await core.domains.setGlobal(['example.com', 'example.org'], calling())
  t.strictSame(await add(shop, 'www.shop.com', 'shop.com'), ['www.shop.com', 'shop.com'])
  t.strictSame(core.domains.of(shop), ['shop.example.com', 'shop.example.org', 'www.shop.com', 'shop.com'])
})

t.test('a hostname that an app has is not new', async t => {
  const { core, add, told } = await house(t)
  await core.domains.setGlobal(['example.com'], calling())
  await add(shop, 'shop.com')
  const before = told.length
  t.strictSame(await add(shop, 'shop.com', 'shop.example.com'), [])
  t.equal(told.length, before, 'and nobody is told of it')
  t.strictSame(await add(shop, 'shop.com', 'new.com', 'new.com'), ['new.com'])
})

t.test('a hostname leads to one app; of several nothing is added when one is taken', async t => {
  const { core, add } = await house(t)
  await core.domains.setGlobal(['example.com'], calling())
  await add(shop, 'shop.com')
  for (const taken of ['shop.com', 'shop.example.com'])
    await t.rejects(add(blog, 'new.com', taken), {
      code: 'domain-taken',
      message: `${taken} belongs to shop.`,
    })
  t.strictSame(core.domains.of(blog), ['blog.example.com'])
})

t.test('a wildcard stands beside the hostnames under it', async t => {
  const { core, add } = await house(t)
  await add(shop, '*.example.com')
  await add(blog, 'blog.example.com')
  t.strictSame(core.domains.of(shop), ['*.example.com'])
})

t.test('what is taken away leads nowhere, what was not there is not told', async t => {
  const { core, add, remove } = await house(t)
  await add(shop, 'a.com', 'b.com')
  t.strictSame(await remove(shop, 'a.com', 'c.com'), ['a.com'])
  t.strictSame(core.domains.of(shop), ['b.com'])
})

t.test('a default name that is taken away stays away, and the others stay', async t => {
  const { core, add, remove } = await house(t)
  await core.domains.setGlobal(['example.com', 'example.org'], calling())
  await add(shop, 'shop.com')
  t.strictSame(await remove(shop, 'shop.example.com'), ['shop.example.com'])
  t.strictSame([...core.domains.of(shop)].sort(), ['shop.com', 'shop.example.org'])
  await core.domains.setGlobal(['example.com', 'example.net'], calling())
  t.notOk(core.domains.of(shop).includes('shop.example.com'))
})

t.test('a hostname that is both its own and a default one is taken away as both', async t => {
  const { core, add, remove } = await house(t)
  await add(shop, 'shop.example.com')
  await core.domains.setGlobal(['example.com'], calling())
  t.strictSame(core.domains.of(shop), ['shop.example.com'])
  t.strictSame(await remove(shop, 'shop.example.com'), ['shop.example.com'])
  t.strictSame(core.domains.of(shop), [])
})

t.test('a default name that was given up can be had back', async t => {
  const { core, add, remove } = await house(t)
  await core.domains.setGlobal(['example.com'], calling())
  await remove(shop, 'shop.example.com')
  t.strictSame(await add(shop, 'shop.example.com'), ['shop.example.com'])
  t.strictSame(core.domains.of(shop), ['shop.example.com'])
})

t.test("the host's domains cannot give an app the hostname of another", async t => {
  const { core, add } = await house(t)
  await core.domains.setGlobal(['example.org'], calling())
  await add(shop, 'blog.example.com')
  await t.rejects(core.domains.setGlobal(['example.com'], calling()), { code: 'domain-taken' })
  t.strictSame(core.domains.global(), ['example.org'])
})

t.test('every change is told to the proxy and to plugins before it is said to be done', async t => {
  const heard: unknown[] = []
  const plugin: Plugin = {
    name: 'ear',
    about: '',
    api: 1,
    hooks: { afterDomains: ({ app, hostnames }) => void heard.push([app.name, hostnames]) },
  }
  const { core, add, remove, told } = await house(t, [plugin])
  await add(shop, 'a.com')
  t.match(told.at(-1), { app: 'shop', domains: { 'a.com': true } })
  await core.domains.setGlobal(['x.com'], calling())
  await remove(shop, 'a.com')
  t.match(told.at(-1), { app: 'shop', domains: { 'shop.x.com': true } })
  t.strictSame(heard, [
    ['shop', ['a.com']],
    ['blog', ['blog.x.com']],
    ['shop', ['shop.x.com', 'a.com']],
    ['shop', ['shop.x.com']],
  ])
})

t.test('an app is found at its URLs; a wildcard names no page', async t => {
  const { core, add } = await house(t)
  await add(shop, '*.shop.com', 'shop.com')
  t.strictSame(core.domains.urls(shop), ['http://shop.com:8080'])
  t.strictSame(core.domains.urls(blog), [])
})

async function house(t: Test, plugins: readonly Plugin[] = []) {
  const made = workshop(t, { plugins })
  const { core } = made
  for (const app of [shop, blog]) await core.apps.create(app, calling())
  return {
    ...made,
    add: (app: AppName, ...hostnames: string[]) => core.domains.add(app, hostnames, calling()),
    remove: (app: AppName, ...hostnames: string[]) => core.domains.remove(app, hostnames, calling()),
  }
}
