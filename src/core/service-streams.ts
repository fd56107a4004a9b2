import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

import { checkStacks } from '../deploy/build.ts'
import { bundleOf } from '../deploy/bundle.ts'
import { randomHex } from '../deploy/random.ts'
import { containerSpec, engineName, titleOf } from '../deploy/service.ts'
import { UserError } from '../errors.ts'
import type { AppLogLine, RunIo } from '../plugin/core.ts'
import type { Recipe, ServiceLogsOptions } from '../plugin/services.ts'
import type { Call, Service } from '../types.ts'
import { instanceLabels, type Rooms, serviceLabels } from './rooms.ts'
import { runAlone } from './work.ts'

/** `davit-service/<instance>/<plugin>:<hash of what it is made of>`. */
export async function imageOf(
  { dockerfile, files = {} }: Recipe,
  plugin: string,
  call: Call,
  rooms: Rooms,
): Promise<string> {
  const { engine, slots } = rooms
  const stacks = await checkStacks({ dockerfile }, rooms)
  const hash = createHash('sha256').update(JSON.stringify([dockerfile, Object.entries(files).sort(), stacks]))
  const tag = `${imagePrefix(rooms)}${plugin}:${hash.digest('hex').slice(0, 16)}`
  if (await engine.image(tag)) return tag
  return slots.take(call, async () => {
    call.out.step(`Building an image for ${plugin}`)
    await engine.build({
      context: bundleOf({ ...files, [dockerfileName]: dockerfile }),
      dockerfile: dockerfileName,
      tag,
      buildArgs: {},
      labels: { ...instanceLabels(rooms), 'com.davit.plugin': plugin },
      signal: call.signal,
      line: call.out.detail,
    })
    return tag
  })
}

const dockerfileName = '.davit.Dockerfile'

function imagePrefix({ settings }: Pick<Rooms, 'settings'>): string {
  return `davit-service/${settings.instance}/`
}

/** Images of plugins that no service runs on. Answers how many went. */
export async function removeUnusedImages(rooms: Rooms): Promise<number> {
  const { engine, store } = rooms
  const tags = (await engine.images(instanceLabels(rooms))).flatMap(each => each.tags)
  const used = new Set(store.services.list().map(each => store.services.spec(each).image))
  let gone = 0
  for (const tag of tags.filter(each => each.startsWith(imagePrefix(rooms)) && !used.has(each)))
    if (await engine.removeImage(tag)) gone++
  return gone
}

/** UserError `service-stopped`. */
export async function execInService(
  service: Service,
  words: readonly string[],
  { terminal, ...io }: RunIo,
  rooms: Rooms,
): Promise<number> {
  const name = engineName(service, rooms)
  try {
    const attached = await rooms.engine.exec(name, words, { ...io, ...(terminal ? { terminal } : {}) })
    return (await attached.done) ?? 255
  } catch (cause) {
    if (await rooms.engine.inspect(name).then(info => info?.state === 'running')) throw cause
    throw new UserError(
      'service-stopped',
      `${titleOf(service)} is not running.`,
      `Start it: ${service.plugin}:start ${service.name}`,
      { cause },
    )
  }
}

/** Answers the command's exit code; removes the container. */
export function runBeside(
  service: Service,
  words: readonly string[],
  io: RunIo,
  rooms: Rooms,
): Promise<number> {
  const spec = containerSpec(rooms.store.services.spec(service), service, rooms)
  return runAlone(
    {
      name: `${engineName(service, rooms)}.run.${randomHex(8)}`,
      spec: { ...spec, command: words, env: { ...spec.env, ...io.env } },
      labels: { ...serviceLabels(service, rooms), 'com.davit.task': 'service' },
    },
    io,
    rooms,
  )
}

/** Lines of the service's container; with `follow` also of those that come after it. */
export async function* logsOfService(
  service: Service,
  { tail, follow, signal }: ServiceLogsOptions,
  rooms: Rooms,
): AsyncIterable<AppLogLine> {
  const { engine, store } = rooms
  const name = engineName(service, rooms)
  let last: Date | undefined
  for (let isFirst = true; ; isFirst = false) {
    // One that starts again has its older lines still.
    const since = last
    const limits = isFirst ? { tail } : since === undefined ? {} : { since }
    if (await engine.inspect(name))
      for await (const { at, text } of engine.logs(name, { ...limits, follow, signal })) {
        if (since !== undefined && at <= since) continue
        last = at
        yield { at, from: service.name, text }
      }
    if (!follow || signal.aborted || !store.services.list().some(each => each.id === service.id)) return
    await pause(250, undefined, { signal }).catch(() => undefined)
  }
}
