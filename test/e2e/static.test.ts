import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('a folder of pages is pushed, served without a container, and taken back', async t => {
  const box = await sandbox(t)
  const folders = async () => {
    const apps = await readdir(join(box.dir, 'data/static')).catch(() => [])
    return (await Promise.all(apps.map(id => readdir(join(box.dir, 'data/static', id))))).flat()
  }
  const pages = await box.checkout('static-site', 'tide')

  t.test('a push puts it live', async t => {
    const pushed = await pages.push()
    t.match(pushed, { code: 0 })
    t.match(pushed.text, /Building tide with static/)
    t.match(pushed.text, new RegExp(`http://tide\\.localhost:${box.httpPort}`))
    t.match(await box.get('tide.localhost'), { status: 200, body: /Low tide/ })
    t.match(await box.get('tide.localhost', '/blog/'), { status: 200, body: /The log/ })
    t.match(await box.get('tide.localhost', '/none'), { status: 404, body: /Washed away/ })
    t.match(await box.get('tide.localhost', '/.git/config'), { status: 404 })
    t.same(await box.containers(), [])
    t.same(await box.networks(), [])
    t.equal((await folders()).length, 1)
  })

  t.test('another push replaces it, and a rollback brings the first back', async t => {
    await pages.write('index.html', '<h1>High tide</h1>')
    await pages.commit('Two')
    t.match(await pages.push(), { code: 0 })
    t.match(await box.get('tide.localhost'), { body: /High tide/ })
    t.match(await box.ssh('releases:rollback tide'), { code: 0 })
    t.match(await box.get('tide.localhost'), { body: /Low tide/ })
    t.match((await box.ssh('releases:list tide')).stdout, /rollback to 1/)
    t.equal((await folders()).length, 2)
  })

  t.test('a clone has the same files, and keeps them when the first one goes on', async t => {
    t.match(await box.ssh('apps:clone tide ebb'), { code: 0 })
    t.match(await box.get('ebb.localhost'), { status: 200, body: /Low tide/ })
    t.match(await box.get('ebb.localhost', '/blog/'), { status: 200, body: /The log/ })
    t.match(await box.ssh('--force apps:destroy ebb'), { code: 0 })
    t.match(await box.get('tide.localhost'), { status: 200, body: /Low tide/ })
    t.equal((await folders()).length, 2)
  })

  t.test('a push that fails leaves nothing and changes nothing', async t => {
    const before = await folders()
    await pages.write('static.json', '{"root": "nowhere"}')
    await pages.commit('Broken')
    t.match(await pages.push(), { code: 1, text: /nowhere/ })
    await pages.write('static.json', '{"root": "void"}')
    await pages.write('void/.keep', '')
    await pages.commit('Nothing to serve')
    t.match(await pages.push(), { code: 1, text: /no file to serve in void/ })
    t.same((await folders()).sort(), before.sort())
    t.match(await box.get('tide.localhost'), { status: 200, body: /Low tide/ })
    await pages.git('rm', '-rqf', 'static.json', 'void')
    await pages.commit('Mended')
  })

  t.test('commands about processes go well, or say why not', async t => {
    t.match(await box.ssh('ps:scale tide web=2'), { code: 1, stderr: /no process web/ })
    t.match(await box.ssh('ps:scale tide'), { code: 0 })
    t.match(await box.ssh('ps:report tide'), { code: 0 })
    t.match(await box.ssh('ps:restart tide'), { code: 0 })
    t.match(await box.ssh('run tide ls'), { code: 1, stderr: /folder of files/ })
    t.match(await box.ssh('config:set tide A=1'), { code: 0 })
    t.match(await box.ssh('ps:stop tide'), { code: 0 })
    t.equal((await box.get('tide.localhost')).status, 503)
    t.match(await box.ssh('domains:add tide pages.test'), { code: 0 })
    t.equal((await box.get('pages.test')).status, 503)
    t.match(await box.ssh('ps:start tide'), { code: 0 })
    t.match(await box.get('pages.test'), { status: 200, body: /Low tide/ })
  })

  t.test('it is served on after a restart, under another name too', async t => {
    await box.stop()
    await box.start()
    t.match(await box.get('tide.localhost'), { status: 200, body: /Low tide/ })
    t.match(await box.ssh('apps:rename tide ebb'), { code: 0 })
    t.match(await box.get('ebb.localhost'), { status: 200, body: /Low tide/ })
    t.match(await box.ssh('apps:rename ebb tide'), { code: 0 })
  })

  t.test('an app becomes a program, and a folder again', async t => {
    await pages.write('Procfile', 'web: perl server.pl\n')
    const server = await box.checkout('dockerfile-base', 'server')
    await pages.write('server.pl', (await server.git('show', 'HEAD:server.pl')).stdout)
    await pages.commit('A program')
    t.match(await pages.push(), { code: 0 })
    t.match(await box.get('tide.localhost'), { status: 200, body: /Built from a Dockerfile/ })
    t.match(await box.ssh('releases:rollback tide'), { code: 0 })
    t.match(await box.get('tide.localhost'), { status: 200, body: /Low tide/ })
  })

  t.test('ten folders are kept, and none when the app is destroyed', async t => {
    await pages.git('rm', '-qf', 'Procfile', 'server.pl')
    for (let at = 0; at < 11; at++) {
      await pages.write('index.html', `<h1>Wave ${at}</h1>`)
      await pages.commit(`Wave ${at}`)
      t.match(await pages.push(), { code: 0 })
    }
    t.match(await box.get('tide.localhost'), { body: /Wave 10/ })
    t.match(await box.ssh('releases:rollback tide 1'), { code: 1, stderr: /no longer kept/ })
    t.ok((await folders()).length <= 11, 'the last one may just be going')
    t.match(await box.ssh('--force apps:destroy tide'), { code: 0 })
    t.same(await folders(), [])
    t.equal((await box.get('tide.localhost')).status, 404)
  })
})

t.test('a push that is cut off leaves no folder', async t => {
  const box = await sandbox(t, { env: { DAVIT_SANDBOX: '1', DAVIT_CRASH_AT: 'deploy:built' } })
  const pages = await box.checkout('static-site', 'tide')
  const again = box.logged(/"msg":"ready: /)
  t.not((await pages.push()).code, 0)
  await again
  t.same(await readdir(join(box.dir, 'data/static')), [])
  t.match(await pages.push(), { code: 0 })
  t.match(await box.get('tide.localhost'), { status: 200, body: /Low tide/ })
})
