import t from 'tap'

import { faults } from '../../scripts/chaos.d/faults.ts'
import { chaos } from '../../scripts/chaos.d/run.ts'

t.test('twenty faults lose nothing that they do not explain, and leave nothing behind', async t => {
  const names = ['kill-daemon', 'kill-worker', 'remove-container', 'cut-events']
  const end = new AbortController()
  t.teardown(() => end.abort())
  const report = await chaos({
    kills: 20,
    minutes: 4,
    seed: 41,
    apps: 2,
    // By hand it is 10; here two cores have other tests to run.
    withinMs: 45_000,
    faults: faults.filter(each => names.includes(each.name)),
    say: t.comment,
    signal: end.signal,
  })
  for (const line of report.lines) t.comment(line)
  t.ok(report.fine, report.lines.at(-1)!)
})
