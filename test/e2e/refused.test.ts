import t from 'tap'

import { type Checkout, sandbox } from './sandbox.ts'

const broken: readonly { readonly fixture: string; readonly says: RegExp; readonly kind: string }[] = [
  { kind: 'that fails to build', fixture: 'broken-build', says: /Looking for the anchor[\s\S]*RUN/ },
  {
    kind: 'whose release command fails',
    fixture: 'broken-release',
    says: /finds no table[\s\S]*release command exited with 3/,
  },
  {
    kind: 'whose process exits at once',
    fixture: 'broken-exit',
    says: /names no database[\s\S]*web exited with 4/,
  },
  {
    kind: 'that fails to import under gunicorn',
    fixture: 'broken-import',
    says: /Python does not find compass/,
  },
  {
    kind: 'that never listens',
    fixture: 'broken-never-listens',
    says: /web did not listen on port 5000 within 4 s/,
  },
  {
    kind: 'that listens on loopback only',
    fixture: 'listens-localhost',
    says: /loopback only|did not listen on port/,
  },
  { kind: 'whose Procfile does not parse', fixture: 'broken-procfile', says: /Procfile line 1/ },
]

t.test('a broken push is refused and changes nothing', async t => {
  const box = await sandbox(t)
  await box.ssh('apps:create shop')
  await box.ssh('checks:set shop deadline 4')
  const good = await box.checkout('dockerfile-base', 'shop')
  t.equal((await good.push()).code, 0)
  const before = {
    containers: await box.containers(),
    images: await box.images(),
    networks: await box.networks(),
  }

  for (const { kind, fixture, says } of broken) {
    t.test(`one ${kind}`, async t => {
      const { stdout: head } = await good.git('rev-parse', 'davit/main')
      const bad = await replaced(await box.checkout(fixture, `x-${fixture}`), 'shop')
      const pushing = bad.push('--force')
      const pushed = await pushing
      t.not(pushed.code, 0)
      t.match(pushed.text, says)
      t.match(pushed.text, /remote rejected/)
      t.equal((await box.get('shop.localhost')).status, 200, 'the old release serves')
      t.same(await box.containers(), before.containers, 'no container is left')
      t.same(await box.images(), before.images, 'no image is left')
      t.same(await box.networks(), before.networks, 'no network is left')
      t.equal(
        (await good.git('ls-remote', 'davit', 'refs/heads/main')).stdout.split('\t')[0],
        head.trim(),
        'the branch is where it was',
      )
    })
  }

  t.test('what failed after the build is listed as failed', async t => {
    const { stdout } = await box.ssh('releases:list shop')
    t.equal(stdout.match(/ failed /g)?.length, 5)
    t.match(stdout, /^1 +live/m)
    t.match((await box.ssh('releases:rollback shop')).stderr, /no release to go back to/)
  })

  t.test('a first push that fails leaves an app without containers, network and image', async t => {
    const bad = await box.checkout('broken-exit', 'fresh')
    t.not((await bad.push()).code, 0)
    t.same(await box.containers(), before.containers)
    t.same(await box.networks(), before.networks)
    t.match(await box.get('fresh.localhost'), { status: 503 })
  })
})

async function replaced(checkout: Checkout, app: string): Promise<Checkout> {
  await checkout.git('remote', 'set-url', 'davit', `davit:${app}`)
  return { ...checkout, push: flag => checkout.push(flag!, 'main') }
}
