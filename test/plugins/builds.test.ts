import { randomBytes } from 'node:crypto'

import t from 'tap'

import { fixture } from './builders.ts'
import { host } from './host.ts'

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
