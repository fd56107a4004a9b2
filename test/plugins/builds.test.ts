import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

import t, { type Test } from 'tap'

import { commandOf, parseProcfile } from '../../src/deploy/procfile.ts'
import { openEngine } from '../../src/docker/dockerode.ts'
import { readSettings } from '../../src/settings.ts'
import { archiveOf, builders, type Files, fixture } from './builders.ts'

const { signal } = new AbortController()
const ask = await builders(t)
const { build, run } = await host(t)

t.test('flask-gunicorn answers with what its environment says', async t => {
  const app = await build(await fixture('flask-gunicorn'))
  const get = await run(app, { GREETING: 'Fair winds', DATABASE_URL: 'postgres://x:secret@y' })
  t.match(await get('/'), { status: 200, body: /<h1>Fair winds<\/h1>/ })
  t.match(await get('/env?key=GREETING'), { status: 200, body: 'Fair winds\n' })
  t.match(await get('/env?key=DATABASE_URL'), { status: 403, body: 'hidden\n' })
  t.match(await get('/version'), { body: '1\n' })
})

t.test('a change of the app alone leaves the dependencies as they are', async t => {
  const files = await fixture('flask-gunicorn')
  const fresh = {
    ...files,
    'requirements.txt': `${files['requirements.txt']}# ${randomBytes(8).toString('hex')}\n`,
  }
  const first = await build(fresh)
  t.ok(first.lines.some(line => line.includes('Successfully installed')))
  const second = await build({ ...fresh, 'app.py': `${files['app.py']}# changed\n` })
  t.notOk(second.lines.some(line => line.includes('Successfully installed')))
  t.not(second.image, first.image)
})

t.test('flask-bare needs no Procfile', async t => {
  const get = await run(await build(await fixture('flask-bare')))
  t.match(await get('/'), { status: 200, body: 'Flask, and nothing else\n' })
})

t.test('django has its static files collected', async t => {
  const get = await run(await build(await fixture('django')))
  t.match(await get('/'), { status: 200, body: 'Django, static files collected\n' })
})

t.test('collectstatic that fails is seen, and is not the end', async t => {
  const files = await fixture('django')
  const settings = 'raise KeyError("SECRET_KEY")\nSTATIC_ROOT = "x"\n'
  const { lines } = await build({ ...files, 'harbour/settings.py': settings })
  t.ok(lines.some(line => line.includes('collectstatic failed')))
})

t.test('a Dockerfile runs as its own image says', async t => {
  const get = await run(await build(await fixture('dockerfile-base')), {}, 8000)
  t.match(await get('/'), { status: 200, body: 'Built from a Dockerfile\n' })
})

t.test('an app runs as app, in a folder it may write to', async t => {
  const app = await build({ Procfile: 'web: id -un >me && exec python -m http.server $PORT', 'seed.py': '' })
  const get = await run(app)
  t.match(await get('/me'), { body: 'app\n' })
})

t.test('a bare Procfile runs on the base stack', async t => {
  const perl = (await fixture('dockerfile-base'))['server.pl']!
  const get = await run(await build({ Procfile: 'web: perl server.pl', 'server.pl': perl }))
  t.match(await get('/'), { status: 200 })
})

interface Built {
  readonly image: string
  readonly web: string
  readonly lines: readonly string[]
}

/** Builds and runs on an engine where everything made here is gone after the test. */
async function host(t: Test) {
  const instance = `builds-${randomBytes(4).toString('hex')}`
  const engine = await openEngine({ socketPath: readSettings([]).docker, instance })
  const prefix = `10.215.${randomBytes(1)[0]}`
  const network = `${instance}-net`
  await engine.ensureNetwork({ name: network, subnet: `${prefix}.0/26`, gateway: `${prefix}.1`, labels: {} })
  t.teardown(async () => {
    for (const { name } of await engine.containers({})) await engine.remove(name)
    await engine.removeNetwork(network)
    for (const { tags, id } of await engine.images({}))
      for (const reference of tags.length ? tags : [id]) await engine.removeImage(reference)
  })

  async function build(files: Files): Promise<Built> {
    const { builder } = await ask(files)
    const lines: string[] = []
    const image = await engine.build({
      context: archiveOf({ ...files, '.davit.Dockerfile': builder!.dockerfile }),
      dockerfile: '.davit.Dockerfile',
      tag: `davit-test/${instance}:${randomBytes(4).toString('hex')}`,
      buildArgs: {},
      labels: {},
      signal,
      line: text => lines.push(text),
    })
    const declared = files.Procfile && parseProcfile(files.Procfile.toString())
    return { image, web: (declared || builder!.processes)?.web ?? '', lines }
  }

  let last = 1
  async function run({ image, web }: Built, env: Record<string, string> = {}, port = 5000) {
    const address = `${prefix}.${++last}`
    const name = `${instance}-${last}`
    const spec = { image, command: commandOf(web), mounts: {}, labels: {}, pidLimit: 128, stopTimeout: 1 }
    const whole = { ...spec, env: { ...env, PORT: String(port) } }
    await engine.create({ name, spec: whole, labels: {}, network, address, restart: false })
    await engine.start(name)
    const get = async (path: string) => {
      const answer = await fetch(`http://${address}:${port}${path}`, { signal: AbortSignal.timeout(5000) })
      return { status: answer.status, body: await answer.text() }
    }
    await ready(get)
    return get
  }

  return { build, run }
}

async function ready(get: (path: string) => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await get('/')
      return
    } catch (error) {
      if (tries > 200) throw error
      await setTimeout(50)
    }
  }
}
