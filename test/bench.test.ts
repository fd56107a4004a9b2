import { join } from 'node:path'

import t from 'tap'

import { median, outcomeTable, takeTurns } from '../scripts/bench.d/turns.ts'
import { root } from '../src/settings.ts'
import { run } from './e2e/sandbox.ts'

const bench = (...words: string[]) => run(join(root, 'scripts/bench'), words)

t.test('scripts/bench says what it can measure, and begins nothing else', async t => {
  t.match(await bench('--help'), { code: 0, stdout: /bench deploy .*--rounds/ })
  t.match(await bench('everything'), { code: 2, stderr: /bench deploy/ })
  t.match(await bench(), { code: 2, stderr: /bench deploy/ })
})

t.test('both sides take turns, and warm-ups do not count', async t => {
  const turns: string[] = []
  const outcome = await takeTurns({
    what: 'nothing',
    target: 1,
    rounds: 2,
    davit: async round => turns.push(`a${round}`) && 10 * round,
    beside: async round => turns.push(`b${round}`) && 20 * round,
  })
  t.same(turns, ['a0', 'b0', 'a1', 'b1', 'a2', 'b2', 'a3', 'b3'])
  t.match(outcome, { davit: [20, 30], beside: [40, 60] })
})

t.test('the table shows medians, the ratio between them and whether it is within the target', async t => {
  const text = outcomeTable([
    { what: 'fast', target: 1.2, davit: [100, 120, 500], beside: [100, 100, 100] },
    { what: 'slow', target: 1.2, davit: [3000, 3000], beside: [1000, 1000] },
  ])
  t.match(text, /^fast +120 ms \(100 ms – 500 ms\) +100 ms .* 1\.20 \(1\.00 – 5\.00\) +at most 1\.2 +met$/m)
  t.match(text, /^slow +3\.00 s .* 3\.00 \(3\.00 – 3\.00\) +at most 1\.2 +missed$/m)
  t.equal(median([3, 1, 2, 10]), 2.5)
})
