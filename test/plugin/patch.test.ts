import t from 'tap'

import { type Json, mergePatch } from '../../src/plugin/patch.ts'

// RFC 7396, appendix A.
const cases: readonly (readonly [Json, Json, Json])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]

for (const [value, patch, result] of cases)
  t.test(`${JSON.stringify(patch)} upon ${JSON.stringify(value)}`, async t => {
    t.strictSame(mergePatch(value, patch), result)
  })

t.test('no key of a patch reaches what all objects share', async t => {
  const merged = mergePatch({ a: 'b' }, JSON.parse('{"__proto__": {"polluted": "yes"}}'))
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  t.ok(Object.hasOwn(merged as object, '__proto__'))
})
