import { type Builder, definePlugin, type Source } from 'davit/plugin'

import { djangoOf } from './django.ts'
import { dockerfileOf } from './dockerfile.ts'
import { entryOf } from './entry.ts'
import { isProject, readRequirements } from './requirements.ts'
import { otherVersion } from './version.ts'

export default definePlugin({
  name: 'builder-python',
  about: 'Builds Python apps from their requirements.txt',
  api: 1,
  hooks: {
    async findBuilder({ source }, { out }) {
      if (await fits(source)) return builderOf(source, out)
    },
  },
})

const signs = new Set(['requirements.txt', 'Pipfile', 'manage.py', 'wsgi.py', 'app.py', 'main.py'])
const otherLanguage =
  /^(package\.json|go\.mod|Gemfile|Cargo\.toml|composer\.json|pom\.xml|build\.gradle(\.kts)?|mix\.exs)$/

/** Signs of Python at the root; where there is none of another language, a project's own, or Python files beside a Procfile. */
async function fits(source: Source): Promise<boolean> {
  const paths = await source.list()
  if (paths.some(path => signs.has(path))) return true
  if (paths.some(path => otherLanguage.test(path))) return false
  if (paths.includes('setup.py') || (await isProject(source))) return true
  return paths.includes('Procfile') && paths.some(path => path.endsWith('.py'))
}

async function builderOf(source: Source, out: { detail(line: string): void; warn(line: string): void }) {
  const warning = await otherVersion(source)
  if (warning) out.warn(warning)
  const requirements = await readRequirements(source)
  const django = await djangoOf(source)
  const declared = (await source.read('Procfile')) !== undefined
  if (!requirements && declared) out.detail('No requirements.txt: Python comes with its own library only')
  const entry = declared ? undefined : await entryOf(source, { requirements, django })
  if (entry) out.detail(`No Procfile, so web is: ${entry.line}`)
  const builder: Builder = {
    name: 'python',
    dockerfile: dockerfileOf({ requirements, server: entry?.server, collects: django?.collects ?? false }),
  }
  return entry ? { ...builder, processes: { web: entry.line } } : builder
}
