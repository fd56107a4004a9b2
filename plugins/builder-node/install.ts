import type { Source } from 'davit/plugin'

import type { Manifest } from './manifest.ts'

/** How an app's packages are installed, and its development packages taken away after a build. */
export interface Install {
  /** Package of the npm registry that brings the program; npm itself is in the stack. */
  readonly tool: string | undefined
  /** What installing reads, the manifest and the lockfile among them. */
  readonly files: readonly string[]
  /** Needs the whole repository. */
  readonly local: boolean
  /** Needs the development packages. */
  readonly hooked: boolean
  readonly env: Readonly<Record<string, string>>
  readonly everything: string
  readonly production: string
  /** Undefined where the program cannot do it. */
  readonly prune: string | undefined
  readonly warnings: readonly string[]
}

type Way = Omit<Install, 'local' | 'hooked' | 'files' | 'warnings'> & { readonly local?: boolean }

const locks = {
  'npm-shrinkwrap.json': 'npm',
  'package-lock.json': 'npm',
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
} as const

type Lock = keyof typeof locks

export async function installOf(source: Source, manifest: Manifest): Promise<Install> {
  const paths = new Set(await source.list())
  const there = (Object.keys(locks) as Lock[]).filter(path => paths.has(path))
  const [, named] = /^(npm|pnpm|yarn)@/.exec(manifest.packageManager ?? '') ?? []
  const lock = there.find(path => locks[path] === named) ?? there[0]
  const way = await wayOf(source, {
    lock,
    paths,
    version: versionIn(manifest.packageManager, lock && locks[lock]),
  })
  const settings = ['.npmrc', '.yarnrc', '.yarnrc.yml', '.pnpmfile.cjs', 'pnpm-workspace.yaml']
  const kept = ['package.json', ...(lock ? [lock] : []), ...settings.filter(path => paths.has(path))]
  const read = await Promise.all(kept.map(async path => (await source.read(path)) !== undefined))
  return {
    ...way,
    files: kept,
    hooked: manifest.hooked,
    local: manifest.local || (way.local ?? false) || read.includes(false),
    warnings: [...warningsOf(there, lock, paths)],
  }
}

function* warningsOf(there: readonly Lock[], lock: Lock | undefined, paths: ReadonlySet<string>) {
  if (!lock) {
    const bun = paths.has('bun.lock') || paths.has('bun.lockb')
    yield `${bun ? "bun's lockfile is not read" : 'There is no lockfile'}, so versions may differ from one push to the next. Commit the package-lock.json that npm install makes.`
  }
  if (there.length > 1) yield `There are several lockfiles (${there.join(', ')}); ${lock} is used.`
  if ([...paths].some(path => path.startsWith('node_modules/'))) {
    yield 'node_modules is in the repository; it is left out and installed anew.'
  }
}

async function wayOf(
  source: Source,
  {
    lock,
    paths,
    version,
  }: { lock: Lock | undefined; paths: ReadonlySet<string>; version: string | undefined },
): Promise<Way> {
  const text = lock ? ((await source.read(lock))?.toString('utf8', 0, 4096) ?? '') : ''
  if (lock === 'pnpm-lock.yaml')
    return pnpm(version ?? pnpmFor(text), {
      workspace: paths.has('pnpm-workspace.yaml') || paths.has('.pnpmfile.cjs'),
    })
  if (lock !== 'yarn.lock') return npm(lock ? 'ci' : 'install')
  if (!/^__metadata:/m.test(text)) return classicYarn
  const rc = (await source.read('.yarnrc.yml'))?.toString('utf8', 0, 64 * 1024) ?? ''
  const [, inPath] = /^yarnPath:.*yarn-(\d+\.\d+\.\d+)\.c?js/m.exec(rc) ?? []
  return yarn(version ?? inPath ?? '4', {
    folder: [...paths].some(path => /^\.yarn\/(plugins|patches)\//.test(path)),
  })
}

function npm(word: 'ci' | 'install'): Way {
  return {
    tool: undefined,
    env: { NPM_CONFIG_CACHE: cache },
    everything: `npm ${word} --include=dev`,
    production: `npm ${word} --omit=dev`,
    prune: 'npm prune --omit=dev --ignore-scripts',
  }
}

function pnpm(version: string, { workspace }: { workspace: boolean }): Way {
  return {
    tool: `pnpm@${version}`,
    local: workspace,
    env: { NPM_CONFIG_STORE_DIR: `${cache}/pnpm`, NPM_CONFIG_CACHE: cache, CI: 'true' },
    everything: 'pnpm install --frozen-lockfile --prod=false',
    production: 'pnpm install --frozen-lockfile --prod',
    prune: 'pnpm prune --prod --ignore-scripts',
  }
}

const cache = '/var/cache/npm'

const classicYarn: Way = {
  tool: 'yarn@1.22.22',
  env: { YARN_CACHE_FOLDER: `${cache}/yarn` },
  everything: 'yarn install --frozen-lockfile --non-interactive --production=false',
  production: 'yarn install --frozen-lockfile --non-interactive --production',
  prune: 'yarn install --frozen-lockfile --non-interactive --production --ignore-scripts --prefer-offline',
}

/** Yarn from 2 on. Its packages go into node_modules, where any program finds them, whatever started it. */
function yarn(version: string, { folder }: { folder: boolean }): Way {
  const focus = 'yarn workspaces focus --production --all'
  const focuses = !/^[23]\./.test(version)
  return {
    tool: `@yarnpkg/cli-dist@${version}`,
    local: folder,
    env: {
      YARN_CACHE_FOLDER: `${cache}/yarn`,
      YARN_ENABLE_GLOBAL_CACHE: 'false',
      YARN_ENABLE_TELEMETRY: '0',
      YARN_IGNORE_PATH: '1',
      YARN_NODE_LINKER: 'node-modules',
    },
    everything: 'yarn install --immutable',
    production: focuses ? `yarn install --immutable && ${focus}` : 'yarn install --immutable',
    prune: focuses ? focus : undefined,
  }
}

/** The oldest pnpm that is still kept up and reads this lockfile. */
function pnpmFor(lock: string): string {
  const [, format = '9'] = /^lockfileVersion:\s*'?(\d+)/m.exec(lock) ?? []
  return ({ 5: '7', 6: '8' } as Record<string, string>)[format] ?? '10'
}

function versionIn(packageManager: string | undefined, program: string | undefined): string | undefined {
  const [, name, version] =
    /^(npm|pnpm|yarn)@(\d+\.\d+\.\d+(?:-[\w.]+)?)(?:\+[\w.]+)?$/.exec(packageManager ?? '') ?? []
  return name === program ? version : undefined
}
