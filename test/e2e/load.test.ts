import t from 'tap'

import { deploysInARow } from '../../scripts/chaos.d/deploys.ts'

t.test('ten deploys in a row lose no request', async t => {
  const end = new AbortController()
  t.teardown(() => end.abort())
  const report = await deploysInARow({ deploys: 10, say: t.comment, signal: end.signal })
  for (const line of report.lines) t.comment(line)
  t.ok(report.fine, report.lines.join('\n'))
  const { visits } = report
  t.ok(visits.length > 300, `${visits.length} visits`)
  for (const kind of ['kept', 'new', 'slow', 'upload', 'websocket'])
    t.ok(visits.filter(each => each.kind === kind).length > 5, `some of them ${kind}`)
})
