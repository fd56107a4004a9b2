import t from 'tap'

import { compare, whyWorse } from '../../src/deploy/trial.ts'

const counts = (requests: number, failed: number, p95Ms: number) => ({ requests, failed, p95Ms })
const releases = { old: 1, next: 2 }

t.test('a release is worse by its errors or its slowness, beyond the factor', async t => {
  const judge = (next: ReturnType<typeof counts>) =>
    whyWorse(
      compare(
        new Map([
          [1, counts(1000, 10, 16)],
          [2, next],
        ]),
        releases,
      )!,
      2,
    )
  t.equal(judge(counts(100, 1, 16)), undefined)
  t.equal(judge(counts(100, 4, 16)), undefined, 'twice as bad and a little')
  t.match(judge(counts(100, 5, 16)), /5\.0 % of its answers were errors, of the old one's 1\.0 %/)
  t.equal(judge(counts(100, 0, 76)), undefined)
  t.match(judge(counts(100, 0, 108)), /took up to 108 ms, of the old one's up to 16 ms/)
})

t.test('too few requests are nothing to judge by', async t => {
  t.equal(compare(new Map(), releases), undefined)
  t.equal(
    compare(
      new Map([
        [1, counts(1000, 0, 1)],
        [2, counts(19, 19, 1)],
      ]),
      releases,
    ),
    undefined,
  )
})
