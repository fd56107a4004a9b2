import type { Readable } from 'node:stream'

import { UserError } from '../errors.ts'
import type { App, Out } from '../types.ts'
import type { Command, CommandContext } from './command.ts'
import { appEnv, type Own, ownWords, programOf } from './executable.ts'
import type { Manifest, ManifestCommand } from './manifest.ts'
import { runProgram } from './program.ts'

/** `commands/TOPIC:VERB` as a command: its program gets one line of JSON, and what comes on stdin where it asks for that. */
export function executableCommand(
  name: string,
  described: ManifestCommand | undefined,
  { manifest, own }: { manifest: Manifest; own: Own },
): Command {
  return {
    name,
    about: described?.about || manifest.about,
    args: described?.args ?? {},
    ...(described?.reads ? { reads: true } : {}),
    run: (values, context) => runCommand(name, values, { described, context, own }),
  }
}

interface Typed {
  readonly described: ManifestCommand | undefined
  readonly context: CommandContext
  readonly own: Own
}

/** Its lines go to the person as they come, and its exit code is the command's. */
async function runCommand(name: string, values: object, { described, context, own }: Typed): Promise<number> {
  const late = AbortSignal.timeout(described?.timeoutMs ?? 600_000)
  const { by, core, out, session } = context
  const app = appOf(values, described, context)
  const terminal = session.terminal !== undefined
  const asked = JSON.stringify({ command: name, args: values, ...(app ? { app } : {}), by, terminal })
  const lines = linesTo(out)
  const { exit, said } = await runProgram(
    {
      ...programOf(`commands/${name}`, context, own),
      signal: AbortSignal.any([context.signal, late]),
      env: { DAVIT_COMMAND: name, DAVIT_PLUGIN: own.folder, ...appEnv(app) },
      input: inputOf(asked, described?.input ? session.stdin : undefined),
      print: lines.take,
    },
    own.tools,
  )
  await lines.end()
  if (late.aborted) throw new UserError('plugin-late', `${name} took too long and was ended.`)
  for (const line of ownWords(said, own).split('\n')) if (line.trim()) out.warn(line.trimEnd())
  if (exit === 0 && app && described?.redeploys) core.redeploy(app.name, name)
  return exit
}

/** The app that it is for. Throws UserError `app-missing`, for any other that it names too. */
function appOf(
  values: object,
  described: ManifestCommand | undefined,
  { core }: CommandContext,
): App | undefined {
  const named = Object.entries(values).filter(
    ([key, value]) => described?.apps.includes(key) && value !== undefined,
  )
  const apps = named.map(([key, value]) => [key, core.apps.get(value as string)] as const)
  return apps.find(([key]) => key === 'app')?.[1]
}

async function* inputOf(asked: string, more: Readable | undefined): AsyncGenerator<Buffer | string> {
  yield `${asked}\n`
  if (more) yield* more as AsyncIterable<Buffer>
}

const longestLine = 1 << 16

/** Pieces into lines; a slow reader slows the program. */
function linesTo(out: Out) {
  const decoder = new TextDecoder()
  let rest = ''
  return {
    async take(piece: Buffer): Promise<void> {
      const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
      rest = lines.pop()!
      for (const line of lines) await out.flushed(line)
      if (rest.length > longestLine) throw new Error(`it printed a line of more than ${longestLine >> 10} KB`)
    },
    async end(): Promise<void> {
      if (rest) await out.flushed(rest)
    },
  }
}
