import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('a pushed app is live at its hostname, and stays so', async t => {
  const box = await sandbox(t)

  t.test('a Flask app with a Procfile and gunicorn', async t => {
    const created = await box.ssh('apps:create shop')
    t.match(created, { code: 0, stdout: /git push davit main/ })
    const shop = await box.checkout('flask-gunicorn', 'shop')
    const pushed = await shop.push()
    t.match(pushed, { code: 0 })
    t.match(pushed.text, /remote: -----> Building shop with python/)
    t.match(pushed.text, new RegExp(`http://shop\\.localhost:${box.httpPort}`))
    t.match(await box.get(`shop.localhost:${box.httpPort}`), { status: 200, body: /Hello from the harbour/ })

    await shop.write('VERSION-TWO', '')
    await shop.write(
      'app.py',
      (await shop.git('show', 'HEAD:app.py')).stdout.replaceAll('Hello from the harbour', 'Second tide'),
    )
    await shop.commit('Two')
    const second = await shop.push()
    t.match(second, { code: 0 })
    t.match(second.text, /CACHED/, 'the dependency layer is not built again')
    t.match(
      await box.get('shop.localhost'),
      { status: 200, body: /Second tide/ },
      'the new version, straight after the push',
    )

    const cloned = await shop.git('clone', '-q', 'davit:shop', `${shop.dir}-clone`)
    t.equal(cloned.code, 0, cloned.stderr)
  })

  t.test('a push to a name that no app has makes the app', async t => {
    const bare = await box.checkout('flask-bare', 'bare')
    const pushed = await bare.push()
    t.match(pushed, { code: 0 })
    t.equal((await box.get('bare.localhost')).status, 200, 'Flask without Procfile and without gunicorn')
    t.match((await box.ssh('apps:list')).stdout, /^bare$/m)
  })

  t.test('a Dockerfile app, at its own port', async t => {
    const docker = await box.checkout('dockerfile-base', 'docker')
    const pushed = await docker.push()
    t.match(pushed, { code: 0 })
    t.equal((await box.get('docker.localhost')).status, 200)
  })

  t.test('another branch is kept and not deployed, a tag alone is refused', async t => {
    const shop = await box.checkout('flask-gunicorn', 'other')
    await shop.push()
    await shop.git('checkout', '-qb', 'idea')
    await shop.write('app.py', 'broken')
    await shop.commit('An idea')
    const idea = await shop.push('idea')
    t.equal(idea.code, 0)
    t.match(idea.text, /Branch idea is kept, not deployed/)
    t.equal((await box.get('other.localhost')).status, 200)

    await shop.git('tag', 'v1')
    const tag = await shop.push('v1')
    t.not(tag.code, 0)
    t.match(tag.text, /refs\/tags\/v1 is a tag, and only branches are deployed/)

    const gone = await shop.push(':main')
    t.not(gone.code, 0)
    t.match(gone.text, /main is what other is deployed from/)
    t.match((await shop.push('HEAD:refs/odd/thing')).text, /refs\/odd\/thing is no branch/)
  })
})
