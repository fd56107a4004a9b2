import t from 'tap'

import { refOf } from '../../src/git/refs.ts'

const none = '0'.repeat(40)
const one = '1'.repeat(40)
const two = '2'.repeat(40)

t.test('tells branches, tags and the rest apart, and what happens to them', async t => {
  t.same(refOf({ old: none, new: one, name: 'refs/heads/a/b' }), {
    kind: 'branch',
    name: 'a/b',
    change: 'made',
  })
  t.same(refOf({ old: one, new: two, name: 'refs/tags/v1' }), { kind: 'tag', name: 'v1', change: 'moved' })
  t.same(refOf({ old: one, new: none, name: 'refs/heads/x' }), {
    kind: 'branch',
    name: 'x',
    change: 'deleted',
  })
  t.same(refOf({ old: none, new: one, name: 'refs/notes/x' }), {
    kind: 'other',
    name: 'refs/notes/x',
    change: 'made',
  })
})
