import { readdir, readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

import t from 'tap'
import { pack } from 'tar-stream'

import { BuildError } from '../../src/docker/build.ts'
import { openEngine } from '../../src/docker/dockerode.ts'
import { Cancelled } from '../../src/errors.ts'
import { files, newBuild, relay, tiny } from './tiny.ts'

const { engine, image, instance } = await tiny(t)
const tag = `davit-test/${instance}:built`

function building(dockerfile: string, more: Record<string, string> = {}) {
  const lines: string[] = []
  const context = files({ Dockerfile: dockerfile, ...more })
  return { lines, request: newBuild(context, { tag, line: text => lines.push(text) }) }
}

t.test('a build tells each step once, with what it prints, and answers the image', async t => {
  const { lines, request } = building(
    `FROM ${image}\nARG WHO\nCOPY greeting /greeting\nRUN cat /greeting; echo " $WHO"; true ${Date.now()}\n`,
    { greeting: `grüß dich ${Date.now()}` },
  )
  const id = await engine.build({ ...request, buildArgs: { WHO: 'wörld-wide' }, labels: { kind: 'try' } })
  t.match(id, /^sha256:[0-9a-f]{64}$/)
  t.match(await engine.image(tag), { id, labels: { kind: 'try', 'com.davit.instance': instance } })
  t.ok(
    lines.some(line => /^#\d COPY greeting \/greeting$/.test(line)),
    lines.join('\n'),
  )
  t.equal(lines.filter(line => /^#\d RUN cat/.test(line)).length, 1)
  t.ok(lines.some(line => /^grüß dich \d+ wörld-wide$/.test(line)))
  t.notOk(
    lines.some(line => /^#.*wörld/.test(line)),
    'the values of arguments are in no step’s name',
  )
  t.notOk(lines.some(line => /internal|exporting/.test(line)))
})

t.test('a step done before is cached', async t => {
  const dockerfile = `FROM ${image}\nRUN echo once ${Date.now()}\n`
  await engine.build(building(dockerfile).request)
  const { lines, request } = building(dockerfile)
  await engine.build(request)
  t.match(lines.at(-1), /^#\d RUN echo once \d+ CACHED$/)
})

t.test('a failing step is named with its exit code and its last lines', async t => {
  const { lines, request } = building(
    `FROM ${image}\nRUN for i in $(seq 40); do echo line $i; done; exit 3\n`,
  )
  const error = await engine.build(request).catch(error => error)
  t.type(error, BuildError)
  t.match(error, {
    code: 'build-failed',
    exitCode: 3,
    message: /^The build failed at RUN for i .*: exit code 3$/,
  })
  t.strictSame(
    error.output,
    Array.from({ length: 20 }, (_, at) => `line ${at + 21}`),
  )
  t.match(lines.at(-1), /^#\d ERROR exit code 3$/)
})

t.test('a Dockerfile that does not parse fails plainly', async t => {
  const { request } = building(`FROM ${image}\nNONSENSE here\n`)
  await t.rejects(engine.build(request), {
    code: 'build-failed',
    message: /^The build failed: dockerfile parse error line 2: unknown instruction: NONSENSE/i,
  })
})

t.test('a file that is not in the source fails at its step', async t => {
  const { request } = building(`FROM ${image}\nCOPY nothing /\n`)
  await t.rejects(engine.build(request), { code: 'build-failed', message: /COPY nothing.*not found/ })
})

t.test('a source without the Dockerfile fails plainly', async t => {
  await t.rejects(engine.build(newBuild(files({ other: '' }), { tag })), {
    code: 'build-failed',
    message: /failed to read dockerfile: Dockerfile: no such file/,
  })
})

t.test('an abort cancels the build on the engine and lets go of the context', async t => {
  const controller = new AbortController()
  const mark = `7${process.pid}1`
  const started = Promise.withResolvers<void>()
  const { request } = building(`FROM ${image}\nRUN echo began; sleep ${mark}\n`)
  const line = (text: string) => text === 'began' && started.resolve()
  const build = engine.build({ ...request, signal: controller.signal, line })
  await started.promise
  t.ok(await running(mark))
  controller.abort()
  await t.rejects(build, new Cancelled())
  while (await running(mark)) await delay(20)
  t.ok(request.context.destroyed)
})

t.test('an abort while the context is still being sent ends the build', async t => {
  const controller = new AbortController()
  const context = unfinished()
  const build = engine.build(newBuild(context, { tag, signal: controller.signal }))
  setImmediate(() => controller.abort(new Cancelled('Enough.')))
  await t.rejects(build, { message: 'Enough.' })
  t.ok(context.destroyed)
})

t.test('a context that breaks off fails the build with the reason', async t => {
  async function* broken() {
    yield Buffer.alloc(1024)
    throw new Error('the archive ended early')
  }
  await t.rejects(engine.build(newBuild(Readable.from(broken()), { tag })), {
    code: 'context-failed',
    message: 'The source could not be read: the archive ended early',
  })
  const gone = unfinished()
  setImmediate(() => gone.destroy())
  await t.rejects(engine.build(newBuild(gone, { tag })), { code: 'context-failed' })
})

t.test('an engine without BuildKit builds with its older builder', async t => {
  const { path } = await relay(t, { head: text => text.replace('\r\n', '\r\nBuilder-Version: 1\r\n') })
  const older = await openEngine({ socketPath: path, instance })
  const { lines, request } = building(`FROM ${image}\nRUN echo grüße\n`)
  t.match(await older.build(request), /^sha256:/)
  t.strictSame(lines.slice(0, 3), [`#1 FROM ${image}`, '#2 RUN echo grüße', 'grüße'])
  const failing = building(`FROM ${image}\nRUN echo no; exit 4\n`)
  const error = await older.build(failing.request).catch(error => error)
  t.match(error, {
    step: 'RUN echo no; exit 4',
    exitCode: 4,
    output: ['no'],
  })
})

function unfinished(): Readable {
  const context = pack()
  context.entry({ name: 'Dockerfile' }, `FROM ${image}\n`)
  return Readable.from(context)
}

async function running(argument: string): Promise<boolean> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.some(line => line.includes(`sleep\0${argument}\0`))
}
