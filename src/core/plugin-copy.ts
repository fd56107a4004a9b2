import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'

import { unpack, usualArchive } from '../deploy/unpack.ts'
import { Cancelled, messageOf, UserError } from '../errors.ts'
import { lineIn } from '../plugin/blame.ts'
import type { PluginOrigin } from '../plugin/catalogue.ts'
import { runProgram } from '../plugin/program.ts'
import type { Trial } from '../plugin/trial.ts'
import { findPluginUser } from '../plugin/user.ts'
import { plainEnv, root } from '../settings.ts'
import type { Call } from '../types.ts'
import { pluginFolder } from './plugin-places.ts'
import type { Rooms } from './rooms.ts'

/** A plugin's files, complete, and not yet anywhere that counts. */
export interface Copy {
  /** Called as what waits to be swept. */
  readonly folder: string
  readonly name: string
  readonly source: string
  readonly committish: string | undefined
  readonly commit: string
}

type Given = Pick<Rooms, 'settings' | 'repositories'>

/** Fetches or takes in a plugin with what it depends on, sees whether it can be read, and hands it over; what is left afterwards goes. */
export async function withCopy<T>(
  origin: PluginOrigin,
  call: Call,
  rooms: Given,
  use: (copy: Copy) => Promise<T>,
): Promise<T> {
  const folder = pluginFolder(rooms, `.new-${randomBytes(8).toString('hex')}`)
  await mkdir(folder, { mode: 0o755 })
  try {
    const taken = await (origin.kind === 'git'
      ? fetched(origin, folder, call, rooms)
      : handed(origin.stream, folder, call))
    await installDependencies(folder, call)
    const trial = await tryOut(folder, call.signal)
    if ('reason' in trial)
      throw new UserError('plugin-refused', `This plugin cannot be used: ${trial.reason}.`)
    return await use({ folder, name: readPluginName(trial.name), ...taken })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function readPluginName(name: unknown): string {
  if (name === 'davit')
    throw new UserError('name-taken', 'davit is Davit itself.', 'Give the plugin another name.')
  if (typeof name === 'string' && /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name) && name.length <= 40) return name
  throw new UserError(
    'bad-name',
    `${JSON.stringify(name)} cannot be a plugin's name.`,
    'Lower-case letters and digits, with single dashes between, at most 40 characters.',
  )
}

type Taken = Pick<Copy, 'source' | 'committish' | 'commit'>

async function fetched(
  { url: address, committish }: PluginOrigin & { kind: 'git' },
  folder: string,
  { out, signal }: Call,
  { repositories }: Given,
): Promise<Taken> {
  const url = URL.parse(address)
  if (!url)
    throw new UserError(
      'git-url',
      `${JSON.stringify(address)} is no address of a repository.`,
      'For example: plugin:install https://example.com/hello.git. Or send the files: tar -c . | ssh HOST plugin:install -',
    )
  out.step(`Fetching ${url.href}`)
  return repositories.foreign({ url, committish, signal }, async source => {
    const most = usualArchive
    await unpack(source.archive({ signal }), { folder, signal, others: 'refuse', lasting: true, most })
    return { source: url.href, committish, commit: source.revision }
  })
}

async function handed(stream: Readable, folder: string, { out, signal }: Call): Promise<Taken> {
  out.step('Taking in the files')
  const into = join(folder, '.in')
  await mkdir(into, { mode: 0o755 })
  const archive = await unzipped(stream)
  await unpack(archive, { folder: into, signal, others: 'refuse', lasting: true, most: usualArchive })
  const top = await topOf(into)
  for (const name of await readdir(top)) await rename(join(top, name), join(folder, name))
  await rm(into, { recursive: true })
  return { source: 'tar', committish: undefined, commit: await hashOf(folder) }
}

/** A gzip is known by its first two bytes (RFC 1952, 2.3.1). */
async function unzipped(stream: Readable): Promise<Readable> {
  const first = await new Promise<Buffer | null>((resolve, reject) => {
    stream.once('error', reject)
    const read = () => {
      const chunk = stream.read() as Buffer | null
      if (chunk === null && !stream.readableEnded && stream.readable) stream.once('readable', read)
      else resolve(chunk)
    }
    stream.once('end', () => resolve(null))
    read()
  })
  if (first === null)
    throw new UserError('no-input', 'No archive came in.', 'Send one: tar -c . | ssh HOST plugin:install -')
  stream.unshift(first)
  if (first[0] !== 0x1f || first[1] !== 0x8b) return stream
  const plain = createGunzip()
  pipeline(stream, plain).catch((error: unknown) => plain.destroy(error as Error))
  return plain
}

/** An archive may have all in one folder, as those of forges do. */
async function topOf(folder: string): Promise<string> {
  const names = await readdir(folder)
  const [only] = names
  const isOne = names.length === 1 && (await stat(join(folder, only!))).isDirectory()
  return isOne ? join(folder, only!) : folder
}

/** Of all paths, modes and contents. */
async function hashOf(folder: string): Promise<string> {
  const hash = createHash('sha256')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter(each => each.isFile()).map(each => join(each.parentPath, each.name))
  for (const path of paths.sort()) {
    const { mode, size } = await stat(path)
    hash.update(`${path.slice(folder.length + 1)}\0${mode & 0o111 ? 'x' : '-'}\0${size}\0`)
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  }
  return hash.digest('hex').slice(0, 40)
}

// What it depends on ---------------------------------------------------------------------------------------

const npmMs = 300_000

/** As its lockfile says, and without running any of their scripts. */
async function installDependencies(folder: string, { out, signal }: Call): Promise<void> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(unlessMissing)
  if (text === undefined || !hasDependencies(text)) return
  if (!existsSync(join(folder, 'package-lock.json')))
    throw new UserError(
      'plugin-refused',
      'This plugin has dependencies, but no package-lock.json that says which.',
      'Its author makes one with: npm install --package-lock-only',
    )
  out.step('Installing what it depends on')
  const late = AbortSignal.timeout(npmMs)
  const { HOME = folder, ...env } = plainEnv()
  const words = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress']
  const run = {
    file: 'npm',
    args: [...words, '--loglevel=error', `--cache=${join(folder, '.npm')}`],
    ...{ folder, env: { HOME }, input: nothing(), print: () => undefined },
    signal: AbortSignal.any([signal, late]),
  }
  const { exit, said } = await runProgram(run, { user: undefined, env })
  if (signal.aborted) throw new Cancelled()
  await rm(join(folder, '.npm'), { recursive: true, force: true })
  if (exit === 0) return
  throw new UserError(
    'plugin-refused',
    `What this plugin depends on could not be installed: ${late.aborted ? `it took longer than ${npmMs / 1000} s` : lastOf(said, exit)}`,
    /No such file/.test(said)
      ? 'An admin of this host can install npm.'
      : 'Try in its folder: npm ci --omit=dev --ignore-scripts',
  )
}

function hasDependencies(text: string): boolean {
  try {
    const { dependencies = {} } = JSON.parse(text) as { dependencies?: object }
    return Object.keys(dependencies).length > 0
  } catch (error) {
    throw new UserError('plugin-refused', `The plugin's package.json is no JSON: ${messageOf(error)}`)
  }
}

function lastOf(said: string, exit: number): string {
  return (
    said.split('\n').findLast(line => line.trim() !== '' && !/log file|npm-debug|\.log$/.test(line)) ??
    `exit ${exit}`
  )
}

// Whether it can be read -----------------------------------------------------------------------------------

const trialMs = 10_000

/** In a process of its own, with as few rights as there are: whatever it does there, this one goes on. */
async function tryOut(folder: string, signal: AbortSignal): Promise<Trial> {
  const late = AbortSignal.timeout(trialMs)
  let printed = ''
  const { exit, said } = await runProgram(
    {
      file: process.execPath,
      args: [join(root, 'src/plugin/trial.ts'), folder],
      ...{ folder, env: {}, input: nothing() },
      signal: AbortSignal.any([signal, late]),
      print(piece) {
        printed = (printed + piece.toString('utf8')).slice(-(1 << 16))
      },
    },
    { user: findPluginUser(), env: plainEnv() },
  )
  if (signal.aborted) throw new Cancelled()
  if (late.aborted) return { reason: `it was not read within ${trialMs / 1000} s` }
  const outcome = outcomeIn(printed)
  if (outcome && 'reason' in outcome) return { reason: placed(outcome.reason, lineIn(said, folder)) }
  if (exit === 0) return outcome ?? { reason: 'it ended the process that read it' }
  return { reason: `it ended the process that read it with ${exit}${said ? `: ${lastOf(said, exit)}` : ''}` }
}

/** With the line that Node showed of it, where it does not say one. */
function placed(reason: string, line: string | undefined): string {
  return line === undefined || /\(\S+:\d+\)$/.test(reason) ? reason : `${reason} (${line})`
}

function outcomeIn(printed: string): Trial | undefined {
  try {
    return JSON.parse(printed.trimEnd().split('\n').at(-1)!) as Trial
  } catch {
    return undefined
  }
}

async function* nothing(): AsyncGenerator<never> {}

function unlessMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}
