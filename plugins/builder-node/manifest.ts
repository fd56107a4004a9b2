import { type Source, UserError } from 'davit/plugin'

/** What package.json says, as far as it is looked at; whatever is of another shape counts as not there. */
export interface Manifest {
  readonly scripts: Readonly<Record<string, string>>
  readonly engine: string | undefined
  /** `pnpm@10.1.0`. */
  readonly packageManager: string | undefined
  readonly main: string | undefined
  /** What installing needs lies in the repository: packages of its own, or scripts that run at install. */
  readonly local: boolean
  /** A script runs at install, which may want the development packages. */
  readonly hooked: boolean
}

/** Undefined when there is no package.json. UserError `bad-package-json`. */
export async function readManifest(source: Source): Promise<Manifest | undefined> {
  const bytes = await source.read('package.json')
  if (!bytes) return undefined
  const json = parse(bytes.toString('utf8'))
  const scripts = textsOf(json.scripts)
  return {
    scripts,
    engine: text(objectOf(json.engines).node),
    packageManager: text(json.packageManager),
    main: text(json.main),
    hooked: atInstall.some(name => scripts[name] !== undefined),
    local: json.workspaces !== undefined || runsAtInstall(scripts) || hasLocalPackages(json),
  }
}

function parse(json: string): Record<string, unknown> {
  try {
    return objectOf(JSON.parse(json.replace(/^\uFEFF/, '')))
  } catch (cause) {
    throw new UserError(
      'bad-package-json',
      `package.json is no JSON: ${(cause as Error).message.slice(0, 200)}`,
      'Mend it, commit and push again.',
      { cause },
    )
  }
}

const atInstall = [
  'preinstall',
  'install',
  'postinstall',
  'prepublish',
  'preprepare',
  'prepare',
  'postprepare',
]

/** husky, which only sets up git's hooks, does nothing in a build. */
function runsAtInstall(scripts: Readonly<Record<string, string>>): boolean {
  return atInstall.some(
    name => scripts[name] !== undefined && !/^husky( install)?$/.test(scripts[name].trim()),
  )
}

function hasLocalPackages(json: Record<string, unknown>): boolean {
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides', 'resolutions']
  const wanted = kinds.flatMap(kind => Object.values(textsOf(json[kind])))
  return (
    wanted.some(each => /^(file|link|portal|workspace|patch):|^\.{0,2}\//.test(each)) ||
    Object.keys(objectOf(objectOf(json.pnpm).patchedDependencies)).length > 0
  )
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function textsOf(value: unknown): Record<string, string> {
  const pairs = Object.entries(objectOf(value)).filter(([, each]) => text(each) !== undefined)
  return Object.assign(Object.create(null), Object.fromEntries(pairs))
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= 2000 ? value : undefined
}
