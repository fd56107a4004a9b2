import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

import t from 'tap'

const root = join(import.meta.dirname, '..')

/** A file as the rules see it: `code` is its text without comments. */
interface File {
  readonly path: string
  readonly text: string
  readonly code: string
}

interface Rule {
  readonly sentence: string
  /** What is wrong with the file, each in a few words. */
  readonly find: (file: File) => readonly string[]
  /** Samples, path to text, that the rule has to object to, and some it has to let pass. */
  readonly bad: Readonly<Record<string, string>>
  readonly good?: Readonly<Record<string, string>>
}

const floors: Readonly<Record<string, number>> = {
  ...{ 'main.ts': 4, 'daemon.ts': 4, 'up.ts': 4, 'first-start.ts': 4, 'compile.ts': 4 },
  ...{ ssh: 3, cli: 3, commands: 3, proxy: 3, mounts: 3 },
  ...{ core: 2, deploy: 2, clock: 2 },
  ...{ store: 1, docker: 1, edge: 1, git: 1 },
  ...{
    plugin: 0,
    'types.ts': 0,
    'errors.ts': 0,
    'settings.ts': 0,
    'log.ts': 0,
    'listen.ts': 0,
    'outbound.ts': 0,
    'keep.ts': 0,
    'pid.ts': 0,
    'rest.ts': 0,
    'seal.ts': 0,
    'self-signed.ts': 0,
    'event.ts': 0,
    'request.ts': 0,
    'mail.ts': 0,
    'source.ts': 0,
    'spec.ts': 0,
    'service.ts': 0,
    'route.ts': 0,
  },
}

const rooms: Readonly<Record<string, string>> = {
  ssh2: 'src/ssh/',
  dockerode: 'src/docker/',
  'better-sqlite3': 'src/store/',
  protobufjs: 'src/docker/',
  'http-proxy': 'src/proxy/',
  'node-cron': 'src/clock/',
  nodemailer: 'src/mail.ts',
  'tar-stream': 'src/deploy/',
  '@balena/dockerignore': 'src/deploy/',
  pino: 'src/log.ts',
  'pino-pretty': 'src/log.ts',
}

/** Made anew for each request. */
const eachRequest: ReadonlySet<string> = new Set([
  'src/proxy/exchange.ts',
  'src/proxy/exchange2.ts',
  'src/proxy/connection.ts',
  'src/proxy/line2.ts',
  'src/proxy/message.ts',
  'src/proxy/request.ts',
  'src/proxy/talk.ts',
  'src/proxy/wire.ts',
  'src/proxy/watch.ts',
  'src/proxy/body1.ts',
  'src/proxy/reply.ts',
  'src/proxy/compress.ts',
  'src/proxy/trip.ts',
  'src/proxy/visitor1.ts',
  'src/proxy/visitor2.ts',
  'src/proxy/h2/upload.ts',
])

/** The one place where a person's own line meets a shell, inside that person's own container. */
const linesOfPeople = 'src/deploy/procfile.ts'

const rules: readonly Rule[] = [
  {
    sentence: 'imports go down or sideways, never up',
    find: file =>
      imports(file)
        .filter(to => inSrc(file) && to.startsWith('src/') && floorOf(to) > floorOf(file.path))
        .map(to => `imports ${to}, which is above it`),
    bad: {
      'src/store/apps.ts': "import { core } from '../core/core.ts'",
      'src/core/apps.ts': "import type { Parsed } from '../cli/parse.ts'",
      'src/types.ts': "export type { Engine } from './docker/engine.ts'",
      'src/proxy/main.ts': "const up = await import('../up.ts')",
    },
    good: {
      'src/cli/dispatch.ts': "import { core } from '../core/core.ts'\nimport { help } from './help.ts'",
      'src/store/apps.ts': "import type { App } from '../types.ts' // not from '../core/core.ts'",
    },
  },
  {
    sentence: 'everything in src has a room that the house knows',
    find: file => (inSrc(file) && Number.isNaN(floorOf(file.path)) ? ['belongs to no room'] : []),
    bad: { 'src/stuff.ts': '', 'src/attic/old.ts': '' },
    good: { 'src/store/apps.ts': '' },
  },
  {
    sentence: 'each library is imported in one room',
    find: file =>
      imports(file)
        .filter(name => inSrc(file) && isPackage(name) && !file.path.startsWith(rooms[name] ?? '?'))
        .map(name =>
          rooms[name] ? `imports ${name}, which lives in ${rooms[name]}` : `${name} has no room`,
        ),
    bad: {
      'src/core/apps.ts': "import Docker from 'dockerode'",
      'src/deploy/build.ts': "import type { Pack } from 'left-pad'",
    },
    good: { 'src/docker/engine.ts': "import Docker from 'dockerode'\nimport fs from 'node:fs'" },
  },
  {
    sentence: 'a plugin imports davit/plugin, Node and its own files',
    find: file =>
      imports(file)
        .filter(name => inPlugins(file) && !fitsPlugin(name, file))
        .map(name => `imports ${name}`),
    bad: {
      'plugins/redis/index.ts': "import { core } from '../../src/core/core.ts'",
      'plugins/redis/link.ts': "import { url } from '../postgres/url.ts'",
      'plugins/cdn/index.ts': "import Docker from 'dockerode'",
    },
    good: {
      'plugins/redis/index.ts':
        "import fs from 'node:fs'\nimport { definePlugin } from 'davit/plugin'\nimport './x.ts'",
    },
  },
  {
    sentence: 'src never imports a plugin',
    find: file =>
      imports(file)
        .filter(to => inSrc(file) && to.startsWith('plugins/'))
        .map(to => `imports ${to}`),
    bad: { 'src/core/apps.ts': "import redis from '../../plugins/redis/index.ts'" },
  },
  {
    sentence: 'every file is named after a noun that was found',
    find: ({ path }) =>
      path
        .split('/')
        .filter(name => /^(utils?|helpers?|common|shared|misc)\b|manager/i.test(name))
        .map(name => `${name} is not a noun`),
    bad: {
      'src/core/utils.ts': '',
      'src/helpers/a.ts': '',
      'plugins/redis/common.ts': '',
      'src/docker/ContainerManager.ts': '',
    },
    good: { 'src/core/utility-bill.ts': '' },
  },
  {
    sentence: 'there is no Manager, Helper or Util in the code',
    find: ({ path, code }) =>
      path === 'test/house.test.ts'
        ? []
        : (code.match(/\b(?!packageManager\b)\w+(?:Manager|Helpers?|Utils?)\b/g) ?? []),
    bad: { 'src/core/apps.ts': 'const appManager = 1' },
    good: { 'plugins/a/index.ts': 'json.packageManager // a field of package.json' },
  },
  {
    sentence: 'the only barrel is plugin/index.ts',
    find: file => (inSrc(file) && isBarrel(file) ? ['does nothing but pass on'] : []),
    bad: { 'src/core/index.ts': "export * from './apps.ts'\nexport { a, b } from './b.ts'\n" },
    good: {
      'src/plugin/index.ts': "export * from './args.ts'",
      'src/commands/index.ts': "import { apps } from './apps.ts'\nexport const commands = [...apps]",
    },
  },
  {
    sentence: 'the environment is read in settings.ts alone',
    find: file =>
      (inSrc(file) || inPlugins(file)) &&
      file.path !== 'src/settings.ts' &&
      /\bprocess\.env\b/.test(file.code)
        ? ['reads process.env']
        : [],
    bad: { 'src/core/apps.ts': 'const home = process.env.HOME', 'plugins/a/index.ts': 'f(process.env)' },
    good: { 'src/core/apps.ts': '// process.env is for settings.ts' },
  },
  {
    sentence: 'nothing is kept in a module',
    find: file => (inSrc(file) && /^(?:export )?(?:let|var)\b/m.test(file.code) ? ['has module state'] : []),
    bad: { 'src/core/apps.ts': 'const a = 1\nlet current = 0' },
    good: { 'src/core/apps.ts': 'function f() {\n  let a = 0\n}' },
  },
  {
    sentence: 'nothing is handed to a shell',
    find: file =>
      inSrc(file) || inPlugins(file)
        ? [
            ...(importsExec.test(file.code) ? ['imports exec'] : []),
            ...(/\bshell:\s*(?!\s|false\b)/.test(file.code) ? ['asks for a shell'] : []),
          ]
        : [],
    bad: {
      'src/git/git.ts': "import { exec, spawn } from 'node:child_process'",
      'plugins/a/index.ts': "spawn('git', [], { shell: true })",
      'src/git/repo.ts': "spawn('git', [], { shell: '/bin/bash' })",
    },
    good: {
      'src/git/git.ts': "import { execFile } from 'node:child_process'\nspawn('git', { shell: false })",
    },
  },
  {
    sentence: "a shell's script is a constant, but for a person's own line",
    find: file =>
      (inSrc(file) || inPlugins(file)) && file.path !== linesOfPeople && interpolatedScript.test(file.code)
        ? ['puts a script together']
        : [],
    bad: {
      'src/docker/a.ts': ['[', "'/bin/sh', '-c', `rm ", '$', '{path}`]'].join(''),
      'plugins/a/index.ts': "['sh', '-c', line]",
      'src/docker/b.ts': "const words = ['bash', '-lc', 'rm ' + path]",
    },
    good: { 'src/docker/a.ts': "['/bin/sh', '-c', 'kill -HUP \"$PID\"']" },
  },
  {
    sentence: 'a file of src has at most 250 lines',
    find: file =>
      inSrc(file) && file.text.split('\n').length > 251
        ? [`has ${file.text.split('\n').length - 1} lines`]
        : [],
    bad: { 'src/core/apps.ts': 'a\n'.repeat(251) },
    good: { 'src/core/apps.ts': 'a\n'.repeat(250) },
  },
  {
    // A request of the proxy's path costs microseconds: its objects share their methods.
    sentence: 'only errors are classes, and what the proxy makes anew for each request',
    find: file =>
      [...file.code.matchAll(/^\s*(?:export )?(?:abstract )?class (\w+)(?: extends (\w+))?/gm)]
        .filter(([, , parent]) => (inSrc(file) || inPlugins(file)) && !parent?.endsWith('Error'))
        .filter(() => !eachRequest.has(file.path))
        .map(([, name]) => `${name} is a class`),
    bad: { 'src/core/apps.ts': 'export class Apps {}\n', 'src/proxy/table.ts': 'class Table {}\n' },
    good: {
      'src/errors.ts': 'export class UserError extends Error {}\n',
      'src/proxy/trip.ts': 'export class Trip {}\n',
    },
  },
  {
    sentence: "no path of somebody's own machine is in the tree",
    find: ({ text }) => text.match(ownPaths) ?? [],
    bad: { 'README.md': `see /${'home'}/anna/davit`, 'src/a.ts': `open('/${'Users'}/anna/x')` },
    good: { 'README.md': 'see https://davit.example/home/anna and /var/lib/davit' },
  },
]

const importsExec = /import\s*\{[^}]*\bexec(?:Sync)?\b[^}]*\}\s*from\s*'(?:node:)?child_process'/
const interpolatedScript =
  /['"`](?:\/(?:usr\/)?bin\/)?(?:ba|da)?sh['"`],\s*['"`]-l?c['"`],\s*(?!\s|'[^'\n]*'\s*[,\]]|"[^"\n]*"\s*[,\]])/
const ownPaths = new RegExp(
  `(?<![\\w.])/(?:${['work', 'home/[a-z]\\w*', 'Users/\\w+'].join('|')})/[\\w.]+`,
  'g',
)

for (const { sentence, find, bad, good = {} } of rules) {
  t.test(sentence, async t => {
    for (const file of house()) {
      for (const finding of find(file)) t.fail(`${file.path}: ${finding}`)
    }
    for (const [path, text] of Object.entries(bad))
      t.not(find(read(path, text)).length, 0, `objects to ${path}`)
    for (const [path, text] of Object.entries(good)) t.same(find(read(path, text)), [], `lets ${path} pass`)
  })
}

t.test('what is run can be run', async t => {
  const programs = [
    'davit',
    'attack',
    'bench',
    'chaos',
    'prepare',
    'test',
    'sandbox',
    'stack',
    'new-plugin',
    'git-hooks/pre-receive',
  ]
  for (const path of [...programs.map(name => `scripts/${name}`), 'install.sh', '.ci/run']) {
    t.doesNotThrow(() => accessSync(join(root, path), constants.X_OK), `${path} is executable`)
  }
})

function inSrc({ path }: File): boolean {
  return path.startsWith('src/') && path.endsWith('.ts')
}

function inPlugins({ path }: File): boolean {
  return path.startsWith('plugins/') && path.endsWith('.ts')
}

function floorOf(path: string): number {
  return floors[path.split('/')[1] ?? ''] ?? Number.NaN
}

function isPackage(name: string): boolean {
  return !/^(?:node:|davit\/|src\/|plugins\/|test\/|scripts\/)/.test(name)
}

function fitsPlugin(name: string, { path }: File): boolean {
  const own = path.split('/').slice(0, 2).join('/')
  return name.startsWith('node:') || name.startsWith('davit/plugin') || name.startsWith(`${own}/`)
}

/** What a file imports, types too; its own files as paths from the top of the tree. */
function imports({ path, code }: File): readonly string[] {
  if (!path.endsWith('.ts')) return []
  const named = code.matchAll(
    /(?:\bfrom\s*|^\s*import\s*|\bimport\(\s*|\brequire\(\s*)(['"])([@\w./:-]+)\1/gm,
  )
  return [...named].map(([, , name]) => (name!.startsWith('.') ? join(dirname(path), name!) : name!))
}

function isBarrel({ path, code }: File): boolean {
  if (path === 'src/plugin/index.ts' || !/\bfrom\b/.test(code)) return false
  return code.replace(/export\s[^'"]*from\s*['"][^'"]+['"]/g, '').trim() === ''
}

function read(path: string, text: string): File {
  return { path, text, code: withoutComments(text) }
}

/** Strings stay, so that what looks like a comment inside them does too. */
function withoutComments(text: string): string {
  return text.replace(
    /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|(?<!\\)\/\/.*/g,
    found => (/^\/[/*]/.test(found) ? '' : found),
  )
}

/** Every text file of the tree that somebody wrote. */
function house(): readonly File[] {
  const left = /^(?:\.git|\.tap|\.davit|node_modules|package-lock\.json)$/
  return readdirSync(root)
    .filter(name => !left.test(name))
    .flatMap(name => textFiles(join(root, name)))
    .map(path => read(relative(root, path), readFileSync(path, 'utf8')))
}

function textFiles(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) {
    return /\.(?:png|ico|gz|tar|jpe?g|woff2?)$/.test(path) ? [] : [path]
  }
  return readdirSync(path)
    .filter(name => name !== 'node_modules' && name !== '.git')
    .flatMap(name => textFiles(join(path, name)))
}
