import { once } from 'node:events'

import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('what an app was asked can be seen as it happens', async t => {
  const box = await sandbox(t)
  const pages = await box.checkout('static-site', 'tide')
  t.match(await pages.push(), { code: 0 })

  t.test(
    'nginx:access-logs -t goes on as requests come, through a renaming, until the reader leaves',
    async t => {
      const child = box.sshProcess(['davit', 'nginx:access-logs tide -t'])
      let heard = ''
      child.stdout!.setEncoding('utf8').on('data', text => {
        heard += text
      })
      const hears = async (path: string) => {
        while (!heard.includes(path)) await once(child.stdout!, 'data')
        return JSON.parse(heard.split('\n').find(line => line.includes(path))!)
      }
      await box.get('tide.localhost', '/?one')
      t.match(await hears('/?one'), { app: 'tide', release: 1, status: 200, client: '127.0.0.1' })
      t.match(await box.ssh('apps:rename tide shore'), { code: 0 })
      await box.get('shore.localhost', '/?two')
      t.match(await hears('/?two'), { app: 'shore', release: 1, status: 200 })
      child.kill()
      await once(child, 'exit')
    },
  )

  t.test('the last requests can be had in the form that log readers know', async t => {
    const { stdout } = await box.ssh('proxy:access-logs shore -n 1 --format combined')
    t.match(stdout, /^127\.0\.0\.1 - - \[.*\] "GET \/\?two HTTP\/1\.1" 200 \d+ "-" "-"\n$/)
    t.match(await box.ssh('nginx:access-logs tide'), { code: 20 })
  })

  t.test('metrics tells how much an app is asked, and how it answers', async t => {
    for (let n = 0; n < 10; n++) await box.get('shore.localhost', '/')
    await box.get('shore.localhost', '/none')
    const metrics = async () => JSON.parse((await box.ssh('metrics shore --format json')).stdout)
    let now = await metrics()
    while (now.requests < 13) now = await metrics()
    t.match(now, { app: 'shore', requests: 13, statuses: [0, 12, 0, 1, 0], lost: 0, inFlight: 0 })
    t.ok(now.p50Ms > 0 && now.p50Ms <= now.p95Ms && now.p95Ms <= now.p99Ms)
    t.match((await box.ssh('metrics')).stdout, /^shore +\d+\.\d +12 +0 +1 +0 +0 /m)
  })

  t.test('a stopped app and a name without one are told with the reason', async t => {
    await box.ssh('ps:stop shore')
    t.match(await box.get('shore.localhost', '/closed'), { status: 503 })
    t.match(await box.get('nobody.localhost', '/lost'), { status: 404 })
    const errors = async () => (await box.ssh('nginx:error-logs shore')).stdout
    let told = ''
    while (!told.includes('/closed')) told = await errors()
    t.match(
      told,
      /^\S+ 503 GET shore\.localhost\/closed from 127\.0\.0\.1 no process of the app is running \(.*\)$/m,
    )
    t.match(
      (await box.ssh('nginx:access-logs --global')).stdout,
      /"host":"nobody\.localhost","path":"\/lost","status":404/,
    )
  })
})
