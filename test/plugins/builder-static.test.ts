import t from 'tap'

import { builders, fixture } from './builders.ts'

const ask = await builders(t)
const page = { 'index.html': '<h1>Hello</h1>' }

t.test('a folder with an index.html is served', async t => {
  t.match(await ask(await fixture('static-site')), {
    folder: '',
    said: ['Serving the files of the repository'],
  })
  for (const folder of ['public', 'dist', '_site'])
    t.equal((await ask({ [`${folder}/index.html`]: '', 'README.md': '' })).folder, folder)
  t.equal((await ask({ ...page, 'dist/index.html': '' })).folder, '')
  t.equal((await ask({ 'docs/index.html': '' })).folder, undefined)
})

t.test('whatever another builder knows is built', async t => {
  t.match((await ask({ ...page, Dockerfile: 'FROM x' })).builder, { name: 'dockerfile' })
  t.match((await ask({ ...page, Procfile: 'web: x' })).builder, { name: 'procfile' })
  t.match((await ask({ ...page, 'app.py': '', 'requirements.txt': '', Procfile: 'web: x' })).builder, {
    name: 'python',
  })
  t.match((await ask({ ...page, 'package.json': '{"scripts":{"start":"x"}}' })).builder, { name: 'node' })
})

t.test('a package.json for tools alone does not make an app of pages', async t => {
  const tools = '{"devDependencies":{"prettier":"3"},"scripts":{"format":"prettier ."}}'
  t.equal((await ask({ ...page, 'package.json': tools })).folder, '')
})

t.test('static.json and .static say that there is nothing to build', async t => {
  const vite = '{"scripts":{"build":"vite build","start":"vite"}}'
  const built = { 'package.json': vite, 'build/a.html': '' }
  for (const root of ['build', './build/', '/build'])
    t.equal((await ask({ ...built, 'static.json': JSON.stringify({ root }) })).folder, 'build', root)
  t.equal((await ask({ 'static.json': '{}', 'a.html': '' })).folder, '')
  t.equal((await ask({ 'package.json': vite, '.static': '', 'dist/index.html': '' })).folder, 'dist')
  t.equal((await ask({ '.static': '', 'a.txt': '' })).folder, '')
})

t.test('a static.json that says nothing of use is told', async t => {
  for (const text of ['{', '{"root":1}', '{"root":"gone"}', '{"root":"../up"}', '{"root":".."}'])
    await t.rejects(ask({ ...page, 'static.json': text }), { cause: { code: 'bad-static-json' } }, text)
})
