import { chmodSync, chownSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'

import { messageOf, UserError } from '../errors.ts'
import type { App, Out, Source } from '../types.ts'
import type { Context, Plugin } from './define.ts'
import { executableCommand } from './executable-command.ts'
import { type HookContext, type HookName, isHookName, noHook } from './hooks.ts'
import { wrongInterpreter } from './interpreter.ts'
import type { Place } from './load.ts'
import { type Manifest, readManifest } from './manifest.ts'
import { isObject, type Json, mergePatch } from './patch.ts'
import { type Run, type Runner, runProgram } from './program.ts'
import { tracebackIn } from './traceback.ts'

/** What executables need of the house. */
export interface Executables extends Runner {
  /** Writes the source's files into an empty folder; links are left out. */
  readonly checkout: (source: Source, folder: string, signal: AbortSignal) => Promise<void>
}

/** The most that a hook may print. */
const answerBytes = 1 << 20

/**
 * A folder with plugin.json, hooks/NAME and commands/TOPIC:VERB as a plugin: each file a program that gets JSON on stdin. Throws an Error
 * that says what is wrong with it.
 */
export function readExecutable(place: Place, tools: Executables): Plugin {
  const { folder } = place
  const manifest = readManifest(readFileSync(join(folder, 'plugin.json'), 'utf8'))
  const name = place.name || manifest.name
  const hooks = programsIn(folder, 'hooks', tools)
  const unknown = [...hooks, ...Object.keys(manifest.hooks)].find(each => !isHookName(each))
  if (unknown !== undefined) throw new Error(noHook(unknown))
  const commands = programsIn(folder, 'commands', tools)
  refuseNearFolder(folder)
  for (const key of Object.keys(manifest.commands)) refuseMissing('commands', key, commands)
  for (const key of Object.keys(manifest.hooks)) refuseMissing('hooks', key, hooks)
  if (hooks.length + commands.length === 0)
    throw new Error('it has no programs: they lie in hooks/HOOK and commands/TOPIC:VERB')
  const own: Own = { folder, name, tools }
  return {
    name,
    about: manifest.about,
    api: manifest.api as 1,
    needs: manifest.needs,
    hooks: Object.fromEntries(hooks.map(each => [each, hookOf(each as HookName, manifest, own)])),
    commands: commands.map(each => executableCommand(each, manifest.commands[each], { manifest, own })),
    start: ({ dir }) => share(dir, tools),
  }
}

function refuseNearFolder(folder: string): void {
  const entries = readdirSync(folder, { withFileTypes: true }).filter(each => each.isDirectory())
  const near = entries.find(
    ({ name }) => /^(?:hook|command)s?$/i.test(name) && !/^(?:hooks|commands)$/.test(name),
  )
  if (near)
    throw new Error(`it has a folder ${near.name}, where nothing is looked for: there are hooks and commands`)
}

function refuseMissing(kind: 'hooks' | 'commands', key: string, programs: readonly string[]): void {
  if (programs.includes(key)) return
  const there = programs.length > 0 ? programs.join(', ') : 'nothing'
  throw new Error(
    `plugin.json describes ${key}, but there is no ${kind}/${key}: in ${kind} there is ${there}`,
  )
}

/** Where its programs are, and how they are run. */
export interface Own {
  readonly folder: string
  readonly name: string
  readonly tools: Executables
}

function programsIn(folder: string, kind: 'hooks' | 'commands', { env }: Executables): string[] {
  const path = join(folder, kind)
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return []
  // Editors and other systems leave files behind that begin with a dot.
  const names = readdirSync(path)
    .filter(name => !name.startsWith('.'))
    .sort()
  for (const name of names) {
    const file = statSync(join(path, name))
    if (!file.isFile() || (file.mode & 0o111) === 0)
      throw new Error(`${kind}/${name} is not executable: chmod +x ${kind}/${name}`)
    const wrong = wrongInterpreter(join(path, name), env.PATH ?? '')
    if (wrong !== undefined) throw new Error(`${kind}/${name} ${wrong}`)
  }
  return names
}

/** The user that its programs run as may write to its own folder. */
function share(dir: string, { user }: Executables): void {
  if (!user) return
  chownSync(dir, -1, user.gid)
  chmodSync(dir, 0o770)
}

// Hooks --------------------------------------------------------------------------------------------------

function hookOf(hook: HookName, { hooks }: Manifest, own: Own) {
  const handle = (...args: unknown[]) => ask(hook, args, own)
  return { ...hooks[hook], handle }
}

/** One program, one answer: a patch of the value, the answer itself, or lines for the person. */
async function ask(hook: HookName, args: unknown[], own: Own): Promise<unknown> {
  const context = args.pop() as HookContext
  const [event, value] = args.reverse() as [Readonly<Record<string, unknown>>, unknown]
  const kind = /^(before|shape|find|after)/.exec(hook)![0]
  const source = isSource(event.source) ? await copyOf(event.source, own, context) : undefined
  try {
    const shown = source ? { ...event, source: source.facts } : event
    const input = JSON.stringify({ hook, event: shown, value }, plainly)
    const printed = await run(`hooks/${hook}`, { hook, event, input, context, own })
    const text = printed.toString('utf8')
    if (kind === 'before' || kind === 'after') return tell(text, context.out)
    return text.trim() === '' ? undefined : answerOf(kind === 'shape' ? { value } : {}, text)
  } finally {
    await source?.remove()
  }
}

interface Asked {
  readonly hook: HookName
  readonly event: Readonly<Record<string, unknown>>
  readonly input: string
  readonly context: HookContext
  readonly own: Own
}

async function run(file: string, { hook, event, input, context, own }: Asked): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  const { exit, said } = await runProgram(
    {
      ...programOf(file, context, own),
      env: { DAVIT_HOOK: hook, DAVIT_PLUGIN: own.folder, ...appEnv(appIn(event, context)) },
      input: Readable.from([input]),
      print(piece) {
        size += piece.length
        if (size > answerBytes) throw new Error(`it printed more than ${answerBytes >> 20} MB`)
        pieces.push(piece)
      },
    },
    own.tools,
  )
  if (exit !== 0) {
    // Who forgot to say it on the other stream is heard all the same.
    if (said === '') tell(String(Buffer.concat(pieces)), context.out)
    const error = refusal(exit, said, own)
    if (!(error instanceof UserError)) context.log.error({ hook, exit, said }, 'a program went wrong')
    throw error
  }
  if (said) context.log.info({ hook, said }, 'a program had something to say')
  return Buffer.concat(pieces)
}

/** What it says of its files it says by their names in the plugin: `hooks/beforeRelease`, line 4. */
export function ownWords(said: string, { folder }: Own): string {
  return said.replaceAll(`${folder}/`, '')
}

/** A program runs in its plugin's own folder. */
export function programOf(
  file: string,
  { dir, signal }: Context,
  { folder }: Own,
): Pick<Run, 'file' | 'folder' | 'signal'> {
  return { file: join(folder, file), folder: dir, signal }
}

/** What it said is for the person; who said nothing, or what an interpreter says of a bug, has gone wrong. */
function refusal(exit: number, said: string, own: Own): Error {
  if (said === '') return new Error(`it ended with exit code ${exit} and gave no reason on stderr`)
  const traceback = tracebackIn(said, own.folder)
  if (traceback !== undefined) return new Error(traceback)
  return new UserError('plugin-refused', ownWords(said, own), `The plugin ${own.name} says so.`)
}

/** What it is about, by a name that may change and a number that does not. */
export function appEnv(app: Named | undefined): Readonly<Record<string, string>> {
  if (app === undefined) return {}
  return { DAVIT_APP: app.name, ...(app.id === undefined ? {} : { DAVIT_APP_ID: String(app.id) }) }
}

interface Named {
  readonly name: string
  readonly id?: number
}

/** Some events have the app, others its name, which may be that of none. */
function appIn({ app }: Asked['event'], { core }: Context): Named | undefined {
  if (typeof app === 'string') return core.apps.find(app) ?? { name: app }
  return isObject(app) ? (app as unknown as App) : undefined
}

function tell(text: string, out: Out): undefined {
  for (const line of text.split('\n')) if (line.trim()) out.detail(line.trimEnd())
}

function answerOf(given: { value?: unknown }, text: string): unknown {
  const said = parsed(text)
  if ('value' in given && !isObject(said))
    throw new Error('its answer is no object, so no patch of the value')
  const answer = 'value' in given ? mergePatch(given.value, said) : said
  return answer === null ? undefined : answer
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new Error(`its answer is no JSON: ${messageOf(cause)}`, { cause })
  }
}

/** Errors have nothing that JSON would show. */
function plainly(_key: string, value: unknown): unknown {
  return value instanceof Error
    ? { message: value.message, ...('code' in value ? { code: value.code } : {}) }
    : value
}

// Sources ------------------------------------------------------------------------------------------------

function isSource(given: unknown): given is Source {
  return typeof (given as Source | undefined)?.archive === 'function'
}

/** A copy of the source that its program may read, for as long as it runs. */
async function copyOf(source: Source, { tools }: Own, { dir, signal }: HookContext) {
  const folder = await mkdtemp(join(dirname(dir), '.source-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    await tools.checkout(source, folder, signal)
    if (tools.user) await chown(folder, -1, tools.user.gid)
    await chmod(folder, 0o750)
  } catch (error) {
    await remove()
    throw error
  }
  return { facts: { revision: source.revision, branch: source.branch, dir: folder }, remove }
}
