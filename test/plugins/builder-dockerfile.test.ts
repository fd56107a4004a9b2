import t from 'tap'

import { builders } from './builders.ts'

const ask = await builders(t)

t.test('a Dockerfile decides, whatever else is there', async t => {
  const { builder, said } = await ask({
    Dockerfile: 'FROM scratch\n',
    'requirements.txt': '',
    Procfile: 'web: x',
  })
  t.same(builder, { name: 'dockerfile', dockerfile: 'FROM scratch\n' })
  t.same(said, [])
})

t.test('a Dockerfile elsewhere, or one that is a link, does not', async t => {
  t.equal((await ask({ 'docker/Dockerfile': 'FROM scratch\n' })).builder, undefined)
  t.match((await ask({ Procfile: 'web: x' }, ['Dockerfile'])).builder, { name: 'procfile' })
})

t.test('a syntax line is left out with a warning, other directives stay', async t => {
  const cases = {
    '# syntax=docker/dockerfile:1\nFROM scratch\n': 'FROM scratch\n',
    '\uFEFF#Syntax = docker/dockerfile:1 \r\nFROM scratch\r\n': 'FROM scratch\r\n',
    '# escape=`\n# syntax=a/b\nFROM scratch\n': '# escape=`\nFROM scratch\n',
  }
  for (const [text, dockerfile] of Object.entries(cases)) {
    const { builder, said } = await ask({ Dockerfile: text })
    t.match(builder, { dockerfile })
    t.match(said, [/# syntax=.* is left out/])
  }
})

t.test('what only looks like a syntax line stays', async t => {
  for (const text of [
    '# About\n# syntax=a/b\nFROM scratch\n',
    '\n# syntax=a/b\nFROM scratch\n',
    'FROM a\n# syntax=b\n',
  ]) {
    const { builder, said } = await ask({ Dockerfile: text })
    t.match(builder, { dockerfile: text })
    t.same(said, [])
  }
})
