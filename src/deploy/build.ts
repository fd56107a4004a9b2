import { appLabels, type Rooms } from '../core/rooms.ts'
import { UserError } from '../errors.ts'
import type { App, Call, ImageBuilder, Procfile, Source } from '../types.ts'
import { buildContext } from './context.ts'
import { parseProcfile } from './procfile.ts'
import { imageOf, type Site, siteIn, writeSite } from './site.ts'

export interface Built {
  /** Content id, `sha256:…`, or `static:…`. */
  readonly image: string
  readonly procfile: Procfile
  /** Where the image's web process listens: its first exposed port, or 5000. */
  readonly port: number
}

/** The generated Dockerfile's name in the context; out of the way of the source's own. */
const dockerfileName = '.davit.Dockerfile'

/** Turns a source into an image under the tag, or into the site. Throws UserErrors: `no-builder`, `bad-procfile`, BuildError. */
export async function build(
  app: App,
  source: Source,
  { tag, site, call }: { tag: string; site: Site; call: Call },
  rooms: Rooms,
): Promise<Built> {
  const event = { app, source }
  const text = await source.read('Procfile')
  const declared = text && parseProcfile(text.toString('utf8'))
  await rooms.hooks.beforeBuild(event, call)
  const found = await rooms.hooks.findBuilder(event, call)
  if (!found) throw noBuilder()
  const builder = await rooms.hooks.shapeBuild(found, event, call)
  call.out.step(`Building ${app.name} with ${builder.name}`)
  if (builder.static !== undefined) {
    const live = rooms.store.releases.live(app.name)
    const before = live && siteIn(live.image)
    await writeSite(app, source, { site, folder: builder.static, before, call }, rooms)
    return { image: imageOf(site), procfile: {}, port: 5000 }
  }
  await checkStacks(builder, rooms)
  const procfile = declared ?? builder.processes ?? { web: '' }
  const image = await buildImage(app, source, { builder, tag, call }, rooms)
  const info = await rooms.engine.image(image)
  return { image, procfile, port: info?.ports[0] ?? 5000 }
}

async function buildImage(
  app: App,
  source: Source,
  how: { builder: ImageBuilder; tag: string; call: Call },
  rooms: Rooms,
): Promise<string> {
  const { builder, tag, call } = how
  const files = { ...builder.files, [dockerfileName]: builder.dockerfile }
  return rooms.engine.build({
    context: buildContext(source, { files, ignore: builder.ignore, signal: call.signal }),
    dockerfile: dockerfileName,
    tag,
    ...(builder.target ? { target: builder.target } : {}),
    buildArgs: builder.buildArgs ?? {},
    labels: appLabels(rooms, app.name),
    signal: call.signal,
    line: call.out.detail,
  })
}

/** A stack that is not there would send the engine to a registry, which says nothing that helps. Answers the ids of those that are. */
export async function checkStacks(
  { dockerfile }: Pick<ImageBuilder, 'dockerfile'>,
  { engine }: Rooms,
): Promise<readonly string[]> {
  const ids: string[] = []
  for (const [, stack] of dockerfile.matchAll(
    /^\s*FROM\s+(?:--\S+\s+)*(davit\/stack-[a-z0-9-]+)(?::latest)?\s*(?:AS\s+\S+\s*)?$/gim,
  )) {
    const there = await engine.image(stack!)
    if (there) {
      ids.push(there.id)
      continue
    }
    const name = stack!.slice('davit/stack-'.length)
    throw new UserError(
      'stack-missing',
      `This host has no ${stack} image.`,
      `Make it on the host, as root: scripts/stack ${name}`,
    )
  }
  return ids
}

function noBuilder(): UserError {
  return new UserError(
    'no-builder',
    'Nothing in the source says how to run it.',
    'Add one of: a Dockerfile; requirements.txt with an app.py, wsgi.py or manage.py; package.json with a start script; index.html; a Procfile.',
  )
}
