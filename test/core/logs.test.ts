import { type Test, t } from 'tap'

import { logsOf } from '../../src/core/logs.ts'
import type { AppLogLine } from '../../src/plugin/core.ts'
import { tiny } from '../docker/tiny.ts'
import { calling, shop, workshop } from './workshop.ts'

const forever = 'exec sleep 60'

t.test('the last lines of all processes come by time', async t => {
  const { run, logs, engine } = await house(t)
  const lines = logs({ follow: true })
  const next = reader(lines.lines)
  const first = next()
  const worker = await run('worker', 1, 'trap "echo w2" USR1; echo w1; while :; do sleep 0.05; done')
  t.equal(await first, 'worker.1 w1')
  await run('web', 1, `echo a1; ${forever}`)
  t.equal(await next(), 'web.1 a1')
  await engine.kill(worker, { signal: 'SIGUSR1' })
  t.equal(await next(), 'worker.1 w2')
  lines.stop()
  t.strictSame(await all(logs({})), ['worker.1 w1', 'web.1 a1', 'worker.1 w2'])
  t.strictSame(await all(logs({ tail: 2 })), ['web.1 a1', 'worker.1 w2'])
  t.strictSame(await all(logs({ process: 'web' })), ['web.1 a1'])
  t.strictSame(await all(logs({ process: 'worker.1', tail: 1 })), ['worker.1 w2'])
})

t.test('an app without containers is told', async t => {
  const { logs } = await house(t)
  await t.rejects(all(logs({})), { code: 'no-containers' })
})

t.test('who follows hears of containers that come later, and each line once, through restarts', async t => {
  const { run, engine, logs } = await house(t)
  const name = await run('web', 1, `echo start; ${forever}`)
  const lines = logs({ follow: true })
  const next = reader(lines.lines)
  t.equal(await next(), 'web.1 start')
  await engine.stop(name, { seconds: 0 })
  await engine.start(name)
  t.equal(await next(), 'web.1 start')
  await run('web', 2, `echo other; ${forever}`)
  t.equal(await next(), 'web.2 other', 'and nothing that was shown before comes again')
  lines.stop()
  t.equal(await next(), undefined)
})

async function house(t: Test) {
  const made = await tiny(t)
  const { core, rooms } = workshop(t, { engine: made.engine })
  const app = await core.apps.create(shop, calling())
  const own = { ...rooms, settings: { ...rooms.settings, instance: made.instance } }
  let count = 0
  return {
    engine: made.engine,
    run: (process: string, index: number, line: string) =>
      made.run(['sh', '-c', line], {
        name: `${made.instance}-${++count}`,
        labels: { 'com.davit.app': 'shop', 'com.davit.process': process, 'com.davit.index': `${index}` },
      }),
    logs({ follow = false, tail = 100, process }: { follow?: boolean; tail?: number; process?: string }) {
      const ended = new AbortController()
      t.teardown(() => ended.abort())
      const lines = logsOf(app, { follow, tail, process, signal: ended.signal }, own)
      return { lines, stop: () => ended.abort() }
    },
  }
}

async function all({ lines }: { lines: AsyncIterable<AppLogLine> }): Promise<string[]> {
  const found: string[] = []
  for await (const { from, text } of lines) found.push(`${from} ${text}`)
  return found
}

function reader(lines: AsyncIterable<AppLogLine>): () => Promise<string | undefined> {
  const iterator = lines[Symbol.asyncIterator]()
  return async () => {
    const { value, done } = await iterator.next()
    return done ? undefined : `${value.from} ${value.text}`
  }
}
