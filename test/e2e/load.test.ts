import t from 'tap'

import { sandbox } from './sandbox.ts'
import { openVisitors } from './visitors.ts'

const deploys = 10

t.test(`${deploys} deploys in a row lose no request`, async t => {
  const box = await sandbox(t)
  const app = await box.checkout('echo', 'echo')
  t.match(await app.push(), { code: 0 })
  await box.ssh('checks:set echo wait-to-retire 3')
  const visitors = openVisitors({ port: box.httpPort, host: 'echo.localhost' })
  t.teardown(() => visitors.stop())
  const receipts: string[] = []
  for (let number = 1; number <= deploys; number++) {
    await app.write('version', `v${number}\n`)
    await app.commit(`Version ${number}`)
    const pushed = await app.push()
    t.match(pushed, { code: 0 })
    receipts.push(...pushed.text.split('\n').filter(line => line.includes('across the switch')))
    const seen = await visitors.next(each => each.kind === 'new' && each.outcome.kind === 'answered')
    t.match(seen.outcome, { version: `v${number}` }, 'the next visitor sees the new version')
  }
  await visitors.stop()
  const bad = visitors.visits.filter(each => each.outcome.kind !== 'answered' && each.kind !== 'websocket')
  t.same(bad, [], `${visitors.visits.length} visits`)
  t.ok(visitors.visits.length > 300)
  t.ok(receipts.length > 0, 'each push tells what became of the requests that crossed over')
  for (const line of receipts) t.match(line, /-----> \d+ requests? across the switch.*: none failed/)
  // A WebSocket has to end with its container, once per deploy, at its limit or at the very end.
  const ended = visitors.visits.filter(each => each.kind === 'websocket' && each.outcome.kind !== 'answered')
  t.ok(ended.length <= deploys + 1, `${ended.length} WebSockets were told to come again`)
})
