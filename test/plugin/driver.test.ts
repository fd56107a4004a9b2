import { Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

import pino from 'pino'
import { t } from 'tap'

import { UserError } from '../../src/errors.ts'
import { arrange } from '../../src/plugin/arrange.ts'
import type { Plugin } from '../../src/plugin/define.ts'
import { createDriver } from '../../src/plugin/driver.ts'
import type { PluginHooks, ReleaseEvent } from '../../src/plugin/hooks.ts'
import type { App, Builder, Env } from '../../src/types.ts'
import { calling, member, shop } from '../core/workshop.ts'

const app: App = { id: 1, name: shop, createdAt: new Date(), retired: false }
const released = { app, process: 'web' } as ReleaseEvent & { process: string }
const source = {} as Parameters<ReturnType<typeof driver>['findBuilder']>[0]

t.test('handlers run early, normal and late, and within that in the order of needs and names', async t => {
  const said: string[] = []
  const says = (name: string, order?: 'early' | 'late', needs: string[] = []) =>
    plugin(
      name,
      { beforeRelease: { ...(order ? { order } : {}), handle: () => void said.push(name) } },
      needs,
    )
  const { ordered } = arrange(
    [
      says('z'),
      says('late-b', 'late'),
      says('late-a', 'late', ['late-b']),
      says('early-b', 'early'),
      says('early-a', 'early'),
      says('a', undefined, ['z']),
      says('b'),
    ],
    { commands: [], off: new Set() },
  )
  await createDriver(() => ordered.map(each => member(each))).beforeRelease(released, calling())
  t.strictSame(said, ['early-a', 'early-b', 'z', 'a', 'b', 'late-b', 'late-a'])
})

t.test('handlers of a before hook run one after another', async t => {
  const said: string[] = []
  const slow = async () => {
    await pause(10)
    said.push('slow')
  }
  await driver({ beforeCreate: slow }, { beforeCreate: () => void said.push('fast') }).beforeCreate(
    { app },
    calling(),
  )
  t.strictSame(said, ['slow', 'fast'])
})

t.test('a before handler that throws stops the operation, by name, and keeps its reason', async t => {
  const reason = new UserError('in-use', 'shop is still linked.', 'Unlink it first.')
  const said: string[] = []
  const hooks = driver(
    {
      beforeDestroy: () => {
        throw reason
      },
    },
    { beforeDestroy: () => void said.push('after the throw') },
  )
  await t.rejects(hooks.beforeDestroy({ app }, calling()), {
    name: 'HookError',
    plugin: 'p0',
    hook: 'beforeDestroy',
    message: 'p0 stopped beforeDestroy: shop is still linked.',
    cause: reason,
  })
  t.strictSame(said, [])
})

t.test('a handler that throws something that is no error still says what', async t => {
  const hooks = driver({
    async beforeCreate() {
      throw 'no room'
    },
  })
  await t.rejects(hooks.beforeCreate({ app }, calling()), { message: 'p0 stopped beforeCreate: no room' })
})

t.test('each shape handler gets what the one before made of it; undefined leaves it', async t => {
  const hooks = driver(
    { shapeEnv: env => ({ ...env, A: '1' }) },
    { shapeEnv: () => undefined },
    { shapeEnv: () => {} },
    { shapeEnv: async (env, { process }) => ({ ...env, B: `${env.A}${process}` }) },
  )
  t.strictSame(await hooks.shapeEnv({ PORT: '5000' }, released, calling()), {
    PORT: '5000',
    A: '1',
    B: '1web',
  })
})

t.test('a shape hook that nobody listens to answers the value', async t => {
  const env: Env = { A: '1' }
  t.equal(await driver().shapeEnv(env, released, calling()), env)
})

t.test('a shape handler that throws stops the operation', async t => {
  const hooks = driver({
    shapeEnv: () => {
      throw new Error('no key')
    },
  })
  await t.rejects(hooks.shapeEnv({}, released, calling()), { name: 'HookError', hook: 'shapeEnv' })
})

t.test('the first answer to a find hook is taken, and no further handler is asked', async t => {
  const asked: string[] = []
  const builder = (name: string): Builder => ({ name, dockerfile: '' })
  const hooks = driver(
    { findBuilder: () => void asked.push('p0') },
    { findBuilder: () => builder('one') },
    {
      findBuilder: () => {
        asked.push('p2')
        return builder('two')
      },
    },
  )
  t.match(await hooks.findBuilder(source, calling()), { name: 'one' })
  t.strictSame(asked, ['p0'])
  t.equal(await driver({ findBuilder: () => undefined }).findBuilder(source, calling()), undefined)
})

t.test('after handlers run side by side; what fails is reported and stops nothing', async t => {
  const logged: Record<string, unknown>[] = []
  const log = pino(
    new Writable({
      write(line: Buffer, _, done) {
        logged.push(JSON.parse(line.toString()))
        done()
      },
    }),
  )
  const met = Promise.withResolvers<void>()
  const said: string[] = []
  const hooks = createDriver(() => [
    member(plugin('waits', { afterRelease: () => met.promise }), { log }),
    member(
      plugin('fails', {
        afterRelease: () => {
          throw new Error('the webhook is away')
        },
      }),
      { log: log.child({ plugin: 'fails' }) },
    ),
    member(
      plugin('meets', {
        afterRelease: () => {
          said.push('meets')
          met.resolve()
        },
      }),
      { log },
    ),
  ])
  const call = calling()
  await hooks.afterRelease(released, call)
  t.strictSame(said, ['meets'])
  t.strictSame(call.lines, [' !     fails stopped afterRelease: the webhook is away'])
  t.match(logged, [{ plugin: 'fails', hook: 'afterRelease', err: { message: /webhook is away/ } }])
})

t.test('a handler that takes too long is told to end and stops the operation, by name', async t => {
  const told = Promise.withResolvers<void>()
  const hooks = driver({
    beforeBuild: {
      timeoutMs: 30,
      handle: (_, { signal }) => {
        signal.addEventListener('abort', () => told.resolve())
        return new Promise<void>(() => {})
      },
    },
  })
  await t.rejects(alive(hooks.beforeBuild(source, calling())), {
    name: 'HookError',
    message: 'p0 stopped beforeBuild: did not answer within 0.03 s',
  })
  await told.promise
})

t.test('an after handler that takes too long is reported', async t => {
  const call = calling()
  const hooks = driver({ afterCreate: { timeoutMs: 30, handle: () => new Promise<void>(() => {}) } })
  await alive(hooks.afterCreate({ app }, call))
  t.strictSame(call.lines, [' !     p0 stopped afterCreate: did not answer within 0.03 s'])
})

t.test('an error that comes after the time limit harms nothing', async t => {
  const late = Promise.withResolvers<void>()
  const hooks = driver({ beforeBuild: { timeoutMs: 20, handle: () => late.promise } })
  await t.rejects(alive(hooks.beforeBuild(source, calling())), { name: 'HookError' })
  late.reject(new Error('too late'))
  await pause(1)
})

t.test('when the caller leaves, the handler is told and the operation is cancelled', async t => {
  const leave = new AbortController()
  const begun = Promise.withResolvers<AbortSignal>()
  const hooks = driver({
    beforeBuild: (_, { signal }) => {
      begun.resolve(signal)
      return new Promise<void>(() => {})
    },
  })
  const built = hooks.beforeBuild(source, calling({ signal: leave.signal }))
  const signal = await begun.promise
  t.notOk(signal.aborted)
  leave.abort()
  await t.rejects(built, { code: 'cancelled' })
  t.ok(signal.aborted)
})

t.test('a caller who has left already is not kept', async t => {
  const hooks = driver({ beforeBuild: () => new Promise<void>(() => {}) })
  await t.rejects(hooks.beforeBuild(source, calling({ signal: AbortSignal.abort() })), { code: 'cancelled' })
})

t.test('an answer of another form than the types have it stops, and says what is wrong with it', async t => {
  const wrong = (answer: unknown) => (() => answer) as never
  const env = driver({ shapeEnv: wrong({ PORT: 5000 }) })
  await t.rejects(env.shapeEnv({}, released, calling()), {
    message: 'p0 stopped shapeEnv: its answer has no string under "PORT"',
  })
  await t.rejects(driver({ shapeEnv: wrong('PORT=5000') }).shapeEnv({}, released, calling()), {
    message: 'p0 stopped shapeEnv: its answer is no object',
  })
  const builder = driver({ findBuilder: wrong(Promise.resolve({ dockerfile: 'FROM x' })) })
  await t.rejects(builder.findBuilder(source, calling()), { message: /has no text under "name"/ })
})

t.test('who changes the value in place is told so, and nobody else is bothered', async t => {
  const env: Env = { A: 'b' }
  const inPlace = ((given: Record<string, string>) => {
    given.PORT = '5000'
  }) as never
  await t.rejects(driver({ shapeEnv: inPlace }).shapeEnv(env, released, calling()), {
    message: /^p0 stopped shapeEnv: Cannot add property PORT/,
  })
  t.strictSame(env, { A: 'b' })
})

t.test("a handler gets its plugin's own context and the person's ear", async t => {
  const call = calling()
  const one = member(
    plugin('one', { afterCreate: ({ app }, { kv, out }) => out(`${kv.get('x')} ${app.name}`) }),
  )
  one.context.kv.set('x', 'hello')
  await createDriver(() => [one]).afterCreate({ app }, call)
  t.strictSame(call.lines, ['hello shop'])
})

t.test('plugins may come and go while it runs', async t => {
  const said: string[] = []
  const members = [member(plugin('a', { beforeCreate: () => void said.push('a') }))]
  const hooks = createDriver(() => members)
  await hooks.beforeCreate({ app }, calling())
  members.pop()
  await hooks.beforeCreate({ app }, calling())
  t.strictSame(said, ['a'])
})

function plugin(name: string, hooks: PluginHooks, needs: readonly string[] = []): Plugin {
  return { name, about: '', api: 1, needs, hooks }
}

/** Plugins p0, p1… with these hooks. */
function driver(...hooks: readonly PluginHooks[]) {
  const members = hooks.map((each, at) => member(plugin(`p${at}`, each)))
  return createDriver(() => members)
}

/** A time limit alone keeps no process alive; the daemon has its sockets for that. */
async function alive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 1_000)
  return promise.finally(() => clearInterval(timer))
}
