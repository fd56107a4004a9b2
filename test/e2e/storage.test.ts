import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test(
  'what an app keeps in a storage stays when its containers go, and goes when it is destroyed',
  async t => {
    const box = await sandbox(t)
    await box.ssh('apps:create shop')
    t.match(await box.ssh('storage:ensure-directory --chown 1000 shop-data'), { code: 0, stderr: '' })
    t.match(await box.ssh('storage:mount shop shop-data:/data'), { code: 0, stderr: '' })
    const checkout = await box.checkout('dockerfile-base', 'shop')
    t.equal((await checkout.push()).code, 0)
    t.match(await box.ssh(`run shop sh -c 'stat -c %u /data; echo kept > /data/note'`), {
      code: 0,
      stdout: /^1000/,
    })
    t.match(await box.ssh('ps:restart shop'), { code: 0 })
    t.match(await box.ssh('run shop cat /data/note'), { stdout: /^kept/ })
    t.match(await box.ssh('storage:list-entries shop-data'), { code: 0, stdout: /note/ })
    t.match(await box.ssh('storage:exec shop-data cat /storage/note'), { code: 0, stdout: /^kept/ })
    t.equal((await box.ssh('storage:exec shop-data false')).code, 1, 'exit codes come back')
    t.match(await box.ssh('storage:info shop-data'), { stdout: /mounted-by: +shop\n.*\/storage/s })
    t.match(await box.ssh('-- --force storage:destroy shop-data'), { code: 1, stderr: /is mounted by shop/ })
    await box.ssh('storage:unmount shop shop-data:/data')
    t.match(await box.ssh('ps:restart shop'), { code: 0 })
    t.match(await box.ssh('run shop ls /data'), { code: 2 })
    t.match(await box.ssh('-- --force storage:destroy shop-data'), { code: 0, stderr: '' })
    t.equal((await box.ssh('storage:list')).stdout, '')
    t.notMatch((await box.containers()).join(), /\.work\./)
  },
)
