import { type Test, t } from 'tap'

import { acceptPush } from '../../src/deploy/push.ts'
import { UserError } from '../../src/errors.ts'
import type { Push } from '../../src/git/push.ts'
import { calling, shop, workshop } from '../core/workshop.ts'

const none = '0'.repeat(40)
const one = '1'.repeat(40)
const two = '2'.repeat(40)

t.test('the first branch pushed is deployed, the usual names before others', async t => {
  const first = async (...names: string[]) => (await house(t)).deploys(names.map(name => [none, one, name]))
  t.equal(await first('refs/heads/work'), `work at ${one}`)
  t.equal(await first('refs/heads/work', 'refs/heads/master'), `master at ${one}`)
  t.equal(await first('refs/heads/master', 'refs/heads/a', 'refs/heads/main'), `main at ${one}`)
  t.equal(await first('refs/heads/feature/x', 'refs/tags/v1'), `feature/x at ${one}`)
})

t.test('a branch called main is not taken for one that ends in it', async t => {
  const { deploys, set } = await house(t)
  set('deploy-branch', 'main')
  t.equal(await deploys([[none, one, 'refs/heads/x/main']]), undefined)
})

t.test('what was set goes before what was pushed first', async t => {
  const { deploys, set } = await house(t)
  set('first-branch', 'main')
  t.equal(await deploys([[none, one, 'refs/heads/main']]), `main at ${one}`)
  set('deploy-branch', 'live')
  t.equal(await deploys([[none, one, 'refs/heads/live']]), `live at ${one}`)
  t.equal(await deploys([[none, one, 'refs/heads/main']]), undefined)
})

t.test('other branches are kept, and the push says so and how to deploy them', async t => {
  const { deploys, set, said } = await house(t)
  set('deploy-branch', 'main')
  t.equal(await deploys([[none, one, 'refs/heads/work']]), undefined)
  t.strictSame(said(), [
    '-----> Branch work is kept, not deployed: main is the deploy branch',
    '       To deploy it: git push davit work:main, or git:set shop deploy-branch work',
  ])
})

t.test('a push that another one overtook is refused before anything is built', async t => {
  const { deploys, set } = await house(t)
  set('deploy-branch', 'main')
  await t.rejects(deploys([[one, two, 'refs/heads/main']]), { code: 'fetch-first' })
})

t.test('among several the deploy branch is deployed and the others are kept', async t => {
  const { deploys, set, said } = await house(t)
  set('deploy-branch', 'main')
  const pushed = await deploys([
    [none, one, 'refs/heads/work'],
    [none, two, 'refs/heads/main'],
    [one, none, 'refs/heads/old'],
    [none, one, 'refs/tags/v1'],
  ])
  t.equal(pushed, `main at ${two}`)
  t.match(said(), [
    /^-----> Branch work is kept/,
    /To deploy it/,
    /Branch old is deleted; it was not deployed\./,
  ])
})

t.test('the deploy branch is not deleted, whatever else is pushed with it', async t => {
  const { deploys, set } = await house(t)
  set('first-branch', 'main')
  await t.rejects(
    deploys([
      [none, one, 'refs/heads/work'],
      [one, none, 'refs/heads/main'],
    ]),
    {
      code: 'deploy-branch',
      message: 'main is what shop is deployed from; it is not deleted.',
      hint: /ps:stop shop/,
    },
  )
})

t.test('a deletion makes no branch the deploy branch', async t => {
  const { deploys } = await house(t)
  t.equal(await deploys([[one, none, 'refs/heads/main']]), undefined)
  t.equal(await deploys([[one, none, 'refs/tags/v1']]), undefined)
  t.equal(
    await deploys([
      [one, none, 'refs/heads/main'],
      [none, one, 'refs/heads/work'],
    ]),
    `work at ${one}`,
  )
})

t.test('tags alone, and what is neither branch nor tag, deploy nothing and are refused', async t => {
  const { deploys } = await house(t)
  await t.rejects(deploys([[none, one, 'refs/tags/v1']]), {
    code: 'no-branch',
    message: 'refs/tags/v1 is a tag, and only branches are deployed; nothing was changed.',
  })
  for (const name of ['refs/notes/x', 'refs/x', 'refs/headsx/main', 'HEAD', 'refs/pull/1/head']) {
    await t.rejects(
      deploys([
        [none, one, 'refs/heads/main'],
        [none, one, name],
      ]),
      { code: 'no-branch', message: `${name} is no branch; nothing was changed.` },
      name,
    )
  }
})

t.test('a first push that is not deployed decides nothing', async t => {
  const { deploys, core } = await house(t)
  await deploys([[none, one, 'refs/heads/work']])
  t.equal(core.repository.deployBranch(shop), undefined)
})

/** An app whose pushes come as far as the source that would be deployed. */
async function house(t: Test) {
  const { core, rooms } = workshop(t)
  const app = await core.apps.create(shop, calling())
  let lines: readonly string[] = []
  const repositories: typeof rooms.repositories = {
    ...rooms.repositories,
    source: async (_app, revision, { branch }) => {
      throw new UserError('deployed', `${branch} at ${revision}`)
    },
  }
  return {
    core,
    said: () => lines,
    set: (key: string, value: string) => rooms.store.properties.set('git', shop, key, value),
    /** What is deployed; undefined: nothing, and the push is taken. */
    async deploys(refs: readonly (readonly [string, string, string])[]): Promise<string | undefined> {
      const push: Push = { refs: refs.map(([old, now, name]) => ({ old, new: now, name })), quarantine: {} }
      const call = calling()
      try {
        await acceptPush(app, push, call, { ...rooms, repositories })
      } catch (error) {
        if (error instanceof UserError && error.code === 'deployed') return error.message
        throw error
      } finally {
        lines = call.lines
      }
      return undefined
    },
  }
}
