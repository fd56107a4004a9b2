import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test(
  "app.json's tasks run in the app's own image, and a process that ends again and again is told",
  async t => {
    const box = await sandbox(t)
    await box.ssh('apps:create shop')
    await box.ssh('config:set shop GREETING=ahoy')
    const checkout = await box.checkout('dockerfile-base', 'shop')
    const tasks = [
      { command: 'echo "$GREETING $DYNO"; exit 3', schedule: '0 0 1 1 *' },
      { command: 'echo tidied', schedule: '0 0 1 1 *' },
      { command: 'sleep 2; echo "nobody waited for $DYNO"', schedule: '0 0 1 1 *' },
      { command: 'echo "nothing was found" >&2; exit 4', schedule: '0 0 1 1 *' },
    ]
    await checkout.write('app.json', JSON.stringify({ cron: tasks }))
    await checkout.commit('Two')
    t.equal((await checkout.push()).code, 0)
    t.match((await box.ssh('events shop')).stdout, /Release 1 of shop is live \(push\)\. \[ann\]/)
    await box.ssh('ps:scale shop web=1')
    t.match(
      (await box.ssh('events shop -n 1')).stdout,
      /Release 1 of shop is live/,
      'nothing changed, nothing is told',
    )
    t.match(await box.ssh('ps:restart shop'), { code: 0 })
    t.match(
      (await box.ssh('events shop -n 1')).stdout,
      /shop runs release 1 in other containers \(ps:restart shop\)/,
    )
    const [one, two, slow, lost] = JSON.parse((await box.ssh('cron:list shop --format json')).stdout)
    t.match(await box.ssh(`cron:run shop ${one.id}`), { code: 3, stdout: /^ahoy run\./ })
    const said = box.logged(/"app":"shop","task":"\w+","stream":"stdout","msg":"nobody waited for run\./)
    const begun = Date.now()
    t.match(await box.ssh(`cron:run shop ${slow.id} --detach`), { code: 0, stdout: /^Running \w+ of shop$/m })
    t.equal(await Promise.race([said.then(() => 'ended'), 'goes on']), 'goes on', 'nobody waits for it')
    await said
    t.ok(Date.now() - begun >= 2_000, 'it went on without whoever asked')
    const failed = box.logged(/"task":"\w+","reason":".* exited with 4"/)
    t.match(await box.ssh(`cron:run --detach shop ${lost.id}`), { code: 0 })
    await failed
    t.match(await box.ssh('cron:run shop nothing --detach'), { code: 1, stderr: /has no cron task nothing/ })
    t.match(await box.ssh(`jobs:run cron:shop/${two.id}`), { code: 0, stdout: /^tidied$/m })
    t.match(await box.ssh(`jobs:run cron:shop/${one.id}`), { code: 1 })
    t.match(await box.ssh('jobs:list'), { stdout: /cron:shop\/\w+ .* succeeded/ })
    t.match(await box.ssh(`jobs:info cron:shop/${one.id}`), { stdout: /failed +\S+ +.*exited with 3/ })

    await checkout.write('app.json', '{"cron": [{"command": "x", "schedule": "sometimes"}]}')
    await checkout.commit('Three')
    t.match(await checkout.push(), { code: 1, text: /"sometimes" is no schedule/ })

    const [web] = (await box.containers()).filter(each => each.includes('shop.web'))
    const loop = async () => (await box.ssh('events shop -n 1')).stdout
    for (let tries = 0; tries < 60 && !/again and again/.test(await loop()); tries++) {
      if ((await box.engine.inspect(web!))?.state === 'running')
        await box.engine.kill(web!, { signal: 'KILL' })
    }
    t.match(await loop(), /! web\.1 of shop ends again and again\. What it says: logs shop -p web/)
  },
)
