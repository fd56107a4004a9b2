import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pino from 'pino'
import { t } from 'tap'

import { routeOf } from '../../src/edge/route.ts'
import { serveMounts } from '../../src/mounts/serve.ts'
import type { MountAnswer, MountRequest } from '../../src/plugin/mount.ts'
import type { Route } from '../../src/types.ts'
import { member } from '../core/workshop.ts'
import { backend, routeTo, stage } from './stage.ts'

type Handle = (request: MountRequest) => MountAnswer | Promise<MountAnswer>

/** A proxy in front of an app, with these mounts, and the daemon's side of them. */
async function mounted(t: Parameters<typeof stage>[0], handle: Handle, more: Partial<Route> = {}) {
  const dir = t.testdir({ site: { 'index.html': 'the index', token: 'abc', sub: { 'index.html': 'below' } } })
  // A socket's path is short.
  const short = await mkdtemp(join(tmpdir(), 'davit-mounts-'))
  t.teardown(() => rm(short, { recursive: true, force: true }))
  const socket = join(short, 'handlers/http.sock')
  const plugin = { name: 'p', about: '', api: 1, mounts: [{ path: '/hooks/', handle }] } as const
  const members = [member(plugin)]
  const failures: string[] = []
  const failed = (name: string, { message }: Error) => void failures.push(`${name}: ${message}`)
  const log = pino({ level: 'silent' })
  const serve = () => serveMounts(socket, { roster: { members: () => members, failed }, log })
  let daemon = await serve()
  t.teardown(() => daemon.close())
  const app = await backend(t, (_req, res) => res.end('the app'))
  const route = {
    ...routeTo(app),
    auth: { realm: 'x', users: {} },
    mounts: {
      '/hooks': { plugin: 'p', socket },
      '/open': { plugin: 'p', socket: socket, open: true },
      '/.well-known/acme-challenge': { files: join(dir, 'site'), open: true },
    },
    ...more,
  }
  const proxy = await stage(t, [routeOf(JSON.parse(JSON.stringify(route)))], {}, ['127.0.0.1'])
  return {
    ...proxy,
    members,
    failures,
    gone: () => daemon.close(),
    async back() {
      daemon = await serve()
    },
  }
}

const open = { auth: undefined } as unknown as Partial<Route>

t.test(
  'a mounted folder is served by the proxy, before passwords and maintenance, and never leads to the app',
  async t => {
    const { ask } = await mounted(t, () => ({ status: 200 }))
    t.match(await ask('/.well-known/acme-challenge/token'), { status: 200, body: 'abc' })
    t.match(await ask('/.well-known/acme-challenge'), { status: 200, body: 'the index' })
    t.match(await ask('/.well-known/acme-challenge/sub?a=b'), {
      status: 301,
      headers: { location: '/.well-known/acme-challenge/sub/?a=b' },
    })
    t.equal((await ask('/.well-known/acme-challenge/none')).status, 404)
    t.equal((await ask('/.well-known/acme-challenge/../../secret')).status, 404)
    t.equal((await ask('/.well-known/acme-challenges')).status, 401, 'another path leads to the app')
    t.equal((await ask('/hooks/x')).status, 401, 'what is not open has the gates of the app')
  },
)

t.test('a plugin answers what is asked of its mount, and is told who asks what of which app', async t => {
  const heard: MountRequest[] = []
  const { ask } = await mounted(
    t,
    request => {
      heard.push(request)
      return { status: 201, headers: { 'X-Made': 'yes' }, body: 'made' }
    },
    open,
  )
  const answer = await ask('/hooks/a?b=c', {
    method: 'POST',
    body: 'hello',
    headers: { 'Davit-App': 'other', 'Davit-Plugin': 'other', 'X-Mine': 'mine' },
  })
  t.match(answer, { status: 201, headers: { 'x-made': 'yes' }, body: 'made' })
  t.match(heard[0], {
    method: 'POST',
    path: '/hooks/a?b=c',
    app: 'shop',
    client: '127.0.0.1',
    headers: { 'x-mine': 'mine' },
  })
  t.equal(heard[0]!.body.toString(), 'hello')
  t.match(await ask('/'), { body: 'the app' })
})

t.test(
  'a mount whose plugin fails, is gone, or whose daemon is away answers so, and the app does not',
  async t => {
    const { ask, members, failures, gone, back } = await mounted(
      t,
      () => Promise.reject(new Error('broken')),
      open,
    )
    t.match(await ask('/hooks/x'), { status: 500, body: /failed/ })
    t.strictSame(failures, ['p: p stopped mount /hooks: broken'])
    t.match(await ask('/hooks/x', { method: 'POST', body: Buffer.alloc(1024 * 1024 + 1) }), { status: 413 })
    const [was] = members.splice(0)
    t.equal((await ask('/hooks/x')).status, 404)
    members.push(was!)
    gone()
    t.equal((await ask('/hooks/x')).status, 502)
    t.match(await ask('/.well-known/acme-challenge/token'), { status: 200 }, 'files need no daemon')
    await back()
    t.equal((await ask('/hooks/x')).status, 500)
  },
)
