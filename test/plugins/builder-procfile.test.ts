import t from 'tap'

import { builders } from './builders.ts'

const ask = await builders(t)

t.test('a bare Procfile runs on the base stack', async t => {
  const { builder } = await ask({ Procfile: 'web: ./serve', serve: '#!/bin/sh' })
  t.match(builder, { name: 'procfile', dockerfile: /^FROM davit\/stack-base\n/ })
  t.equal(builder!.processes, undefined)
})

t.test('a Procfile of another language is not taken for Python because of a script', async t => {
  const { builder } = await ask({ Procfile: 'web: ./serve', 'go.mod': '', 'scripts/seed.py': '' })
  t.match(builder, { name: 'procfile' })
})

t.test('nothing recognised finds no builder', async t => {
  t.equal((await ask({ 'README.md': '# Hello' })).builder, undefined)
  t.equal((await ask({})).builder, undefined)
})
