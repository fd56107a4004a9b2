import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'

import { type Test, t } from 'tap'

import { createDriver } from '../../src/plugin/driver.ts'
import type { ReleaseEvent } from '../../src/plugin/hooks.ts'
import { plainEnv, root } from '../../src/settings.ts'
import type { App, Release } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'
import { calling, shop } from '../core/workshop.ts'
import { executables, rostered } from '../plugin/rostered.ts'

const examples = join(root, 'plugins/examples')
const app: App = { id: 1, name: shop, createdAt: new Date(0), retired: false }
const revision = 'abc123'
const release = { number: 3, revision, by: 'ann', why: 'push' } as Release

t.test('deploy-markers marks releases in Sentry and in Rollbar, with the token on no line', async t => {
  const monitor = await listening(t)
  const { members } = await rostered(t, [examples])
  const markers = members().find(each => each.plugin.name === 'deploy-markers')!
  const { say, rooms, core } = desk(t, [], { plugins: [markers.plugin], allowLocal: ['127.0.0.1/32'] })
  await say('apps:create shop')
  const released = async () => {
    const call = calling()
    await rooms.hooks.afterRelease({ app: core.apps.get('shop'), release }, call)
    return call.lines.join('\n')
  }
  t.equal(await released(), '', 'nothing is marked unless it was asked for')

  t.match(await say(`deploy-markers:set shop sentry --url ${monitor.url}`, { input: 'tok' }), {
    code: 1,
    stderr: /--project ORGANISATION\/PROJECT/,
  })
  const set = `deploy-markers:set shop sentry --project org/web --url ${monitor.url}/`
  t.match(await say(set, { input: 's3cret\n' }), { code: 0, stdout: /marked in sentry/ })
  t.equal(await released(), '')
  t.match(monitor.heard, [
    {
      line: 'POST /api/0/organizations/org/releases/',
      headers: { authorization: 'Bearer s3cret' },
      body: { version: revision, projects: ['web'] },
    },
    {
      line: 'POST /api/0/organizations/org/releases/abc123/deploys/',
      body: { environment: 'production', name: 'push' },
    },
  ])

  await say(`deploy-markers:set shop rollbar --url ${monitor.url}`, { input: 'r0llbar' })
  monitor.heard.length = 0
  await released()
  t.match(monitor.heard, [
    {
      line: 'POST /api/1/deploy',
      headers: { 'x-rollbar-access-token': 'r0llbar' },
      body: { environment: 'production', revision, local_username: 'ann', status: 'succeeded' },
    },
  ])
  monitor.status = 401
  t.match(await released(), /rollbar answered 401: the release is not marked/)
  await say('deploy-markers:unset shop')
  t.equal(await released(), '')
})

t.test('chat tells a room what happened, and keeps its address to itself', async t => {
  const room = await listening(t)
  const { driver, run, dir } = await example(t, 'chat')
  const event = { at: new Date(), by: 'ann', app: shop, data: {}, level: 'info' } as const
  const tell = async (kind: 'released' | 'config-changed' | 'failed', level: 'info' | 'error' = 'info') => {
    const call = calling()
    await driver.afterEvent({ ...event, kind, level, text: `shop: ${kind}.` }, call)
    return call.lines.join('\n')
  }
  t.equal(await tell('released'), '')
  t.match(await run('chat:to', 'nonsense'), { exit: 1, lines: [/That is no URL/] })
  t.match(await run('chat:to', `${room.url}/hook\n`), {
    exit: 0,
    lines: ['The room hears what happens from now on'],
  })
  t.equal((await stat(join(dir, 'webhook'))).mode & 0o777, 0o600)
  await tell('released')
  await tell('config-changed')
  await tell('failed', 'error')
  t.match(room.heard, [
    { line: 'POST /hook', body: { text: '🟢 shop: released.' } },
    { line: 'POST /hook', body: { text: '🔴 shop: failed.' } },
  ])
  room.status = 500
  t.match(await tell('released'), /The chat room could not be told/)
  await run('chat:mute')
  t.equal(await tell('released'), '')
})

t.test('friday lets nobody push on a Friday, unless it cannot wait', async t => {
  const { driver, run, today } = await example(t, 'friday')
  const push = (why: string) =>
    driver.beforeRelease({ app, release: { ...release, why } } as ReleaseEvent, calling())
  await today('2026-11-26', 4)
  await push('push')
  await today('2026-11-27', 5)
  await t.rejects(push('push'), {
    cause: { message: /It is Friday: shop is deployed again on Monday/ },
  })
  await push('rollback to 2')
  t.match(await run('friday:allow'), { lines: ['Pushes pass for the rest of today'] })
  await push('push')
  await today('2026-12-04', 5)
  await t.rejects(push('push'))
})

async function example(t: Test, name: string) {
  const data = await mkdtemp(join(tmpdir(), 'davit-examples-'))
  t.teardown(() => rm(data, { recursive: true }))
  const { members: all, refused } = await rostered(t, [examples], {
    data,
    executables: { ...executables, env: { ...plainEnv(), PATH: `${data}:${plainEnv().PATH}` } },
  })
  t.same(refused(), [])
  const members = () => all().filter(each => each.plugin.name === name)
  const [{ plugin, context }] = members() as [ReturnType<typeof all>[0]]
  return {
    driver: createDriver(members),
    dir: context.dir,
    async run(command: string, input = '') {
      const call = calling()
      const stdin = new PassThrough()
      stdin.end(input)
      const found = plugin.commands!.find(each => each.name === command)!
      const exit = await found.run(
        {},
        { ...context, ...call, session: { stdin, terminal: undefined } as never },
      )
      return { exit, lines: call.lines }
    },
    /** `date` says so from now on. */
    async today(day: string, ofWeek: number) {
      await writeFile(join(data, 'date'), `#!/bin/sh\n[ "$1" = +%u ] && echo ${ofWeek} || echo ${day}\n`)
      await chmod(join(data, 'date'), 0o755)
      t.match(await readFile(join(data, 'date'), 'utf8'), day)
    },
  }
}

interface Heard {
  readonly line: string
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

async function listening(t: Test) {
  const self = { heard: [] as Heard[], status: 200, url: '' }
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', chunk => {
      text += chunk
    })
    request.on('end', () => {
      const { method, url, headers } = request
      self.heard.push({ line: `${method} ${url}`, headers, body: JSON.parse(text) })
      response.writeHead(self.status).end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return self
}
