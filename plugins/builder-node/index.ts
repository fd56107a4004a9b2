import { type Builder, definePlugin, type Source } from 'davit/plugin'

import { dockerfileOf } from './dockerfile.ts'
import { entryOf, noEntry, type Start } from './entry.ts'
import { installOf } from './install.ts'
import { isNode } from './language.ts'
import { type Manifest, readManifest } from './manifest.ts'
import { nodeWish } from './version.ts'

export default definePlugin({
  name: 'builder-node',
  about: 'Builds Node apps from their package.json',
  api: 1,
  hooks: {
    async findBuilder({ app, source }, { out }) {
      const manifest = await readManifest(source)
      const start = await entryOf(source, manifest)
      if (await isNode(source, { manifest, start, say: out.detail })) {
        return builderOf(source, { app: app.name, manifest, start, out })
      }
    },
  },
})

interface Found {
  readonly app: string
  readonly manifest: Manifest | undefined
  readonly start: Start
  readonly out: { detail(line: string): void; warn(line: string): void }
}

async function builderOf(source: Source, { app, manifest, start, out }: Found): Promise<Builder> {
  if (start.kind === 'none') throw noEntry(manifest)
  if (start.kind === 'line') out.detail(`No Procfile, so web is: ${start.line}`)
  const wish = await nodeWish(source, manifest)
  if (wish.words) out.detail(wish.words)
  if (wish.warning) out.warn(wish.warning)
  const install = manifest && (await installOf(source, manifest))
  for (const warning of install?.warnings ?? []) out.warn(warning)
  const builder: Builder = {
    name: 'node',
    dockerfile: dockerfileOf({ app, install, build: manifest && buildScript(manifest), use: wish.use }),
    // What a machine of another kind installed is of no use here.
    ignore: '**/node_modules\n.git\n',
  }
  return start.kind === 'line' ? { ...builder, processes: { web: start.line } } : builder
}

function buildScript({ scripts }: Manifest): string | undefined {
  return ['heroku-postbuild', 'build'].find(name => scripts[name])
}
