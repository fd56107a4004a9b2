import t from 'tap'

import { store } from './fixture.ts'

const installed = { source: 'https://x.test/a.git', committish: 'v1', commit: 'a'.repeat(40) }

t.test('what is installed is kept with where it came from, another version in its place', async t => {
  const now = new Date(1_700_000_000_000)
  const { plugins } = store(t, { now: () => now })
  plugins.put('a', installed)
  t.strictSame(plugins.find('a'), {
    name: 'a',
    installed: { ...installed, at: now },
    disabled: false,
    fault: undefined,
  })
  plugins.fault('a', 'it went wrong')
  plugins.put('a', { source: 'tar', committish: undefined, commit: 'b'.repeat(40) })
  t.match(plugins.find('a'), {
    installed: { source: 'tar', committish: undefined, commit: 'b'.repeat(40) },
    disabled: false,
    fault: undefined,
  })
  plugins.remove('a')
  t.equal(plugins.find('a'), undefined)
})

t.test('what has to be purged is not installed, until it is removed or installed again', async t => {
  const { plugins } = store(t)
  plugins.put('a', installed)
  plugins.disable('a')
  for (const name of ['b', 'a']) plugins.purge(name)
  t.strictSame(plugins.purging(), ['a', 'b'])
  t.match(plugins.find('a'), { installed: undefined, disabled: false })
  plugins.remove('b')
  plugins.put('a', installed)
  t.strictSame(plugins.purging(), [])
  t.match(plugins.find('a'), { installed })
})

t.test('a plugin that came with Davit is known once it was turned off', async t => {
  const { plugins } = store(t)
  plugins.disable('storage')
  t.match(plugins.list(), [{ name: 'storage', installed: undefined, disabled: true, fault: undefined }])
  plugins.fault('storage', 'it ended the process')
  t.match(plugins.find('storage'), { disabled: false, fault: 'it ended the process' })
  plugins.enable('storage')
  t.match(plugins.find('storage'), { disabled: false, fault: undefined })
})
