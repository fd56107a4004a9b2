import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { type Test, t } from 'tap'

import { follow, last } from '../../plugins/events/book.ts'
import type { AppName } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'
import { loaded } from './loaded.ts'

async function withEvents(t: Test) {
  const engine = { containers: async () => [], images: async () => [] }
  const all = desk(t, [], { plugins: await loaded(t, ['events']), engine })
  const { dir } = all.members[0]!.context
  mkdirSync(dir, { recursive: true })
  return { ...all, dir }
}

t.test('what happened is told, of one app or of all, for people and for programs', async t => {
  const { say } = await withEvents(t)
  await say('apps:create shop')
  await say('apps:create blog')
  await say('config:set --no-restart shop KEY=s3cret')
  const all = await say('events')
  t.match(all.stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {3}shop was created\. \[ann\]$/m)
  t.match(all.stdout, /The config of shop was changed: KEY\./)
  t.notMatch(all.stdout, /s3cret/)
  t.equal((await say('events blog')).stdout.trim().split('\n').length, 1)
  t.match(JSON.parse((await say('events shop -n 1 --format json')).stdout), {
    ...{ kind: 'config-changed', app: 'shop', by: 'ann', data: { set: 'KEY' } },
  })
  t.match(await say('events nobody'), { code: 20 })
  t.match((await say('events:list')).stdout, /^released$/m)
})

t.test('events can be turned off and on', async t => {
  const { say } = await withEvents(t)
  await say('events:off')
  await say('apps:create shop')
  t.equal((await say('events')).stdout, '')
  await say('events:on')
  await say('apps:destroy shop --force')
  t.match((await say('events')).stdout, /shop was destroyed/)
})

t.test('who follows hears on through the beginning of another file, until they leave', async t => {
  const { core, dir, say } = await withEvents(t)
  const tell = (text: string) => core.events.tell({ kind: 'x:y', app: 'shop' as AppName, text })
  tell('before')
  const leave = new AbortController()
  const { end } = last(dir, { lines: 0, wanted: () => true })
  const heard = follow(dir, { from: end, signal: leave.signal })
  const next = async () => (await heard.next()).value?.text
  tell('one')
  t.equal(await next(), 'one')
  tell('two')
  // So long that the next one begins another file.
  appendFileSync(join(dir, 'events.log'), `${'x'.repeat(5_000_000)}\n`)
  tell('three')
  t.strictSame([await next(), await next()], ['two', 'three'])
  const later = next()
  tell('four')
  t.equal(await later, 'four')
  t.match((await say('events -n 4')).stdout, /one\n.*two\n.*three\n.*four\n/)
  const none = heard.next()
  leave.abort()
  t.match(await none, { done: true })
})

t.test('events -t says what is there, and ends with who asked', async t => {
  const { say } = await withEvents(t)
  await say('apps:create shop')
  t.match(await say('events -t', { signal: AbortSignal.abort() }), { code: 0, stdout: /shop was created/ })
})

t.test('a line that was broken off costs no other', async t => {
  const { say, dir } = await withEvents(t)
  writeFileSync(join(dir, 'events.log'), '{"at":"2026-01-01T00:00:00Z","data":{}\n')
  await say('apps:create shop')
  t.match(await say('events'), { code: 0, stdout: /^\S+ \S+ +shop was created\. \[ann\]\n$/ })
})
