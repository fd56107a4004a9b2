import { randomBytes } from 'node:crypto'

import type { Operations } from '../core/operations.ts'
import { UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Command } from '../plugin/command.ts'
import type { Context } from '../plugin/define.ts'
import type { Driver } from '../plugin/driver.ts'
import type { AccessEvent, Decision } from '../plugin/hooks.ts'
import { isAppName } from '../plugin/names.ts'
import { words as splitWords } from '../ssh/words.ts'
import type { Store } from '../store/store.ts'
import type { AppName, Out, Session } from '../types.ts'
import { confirmed } from './confirm.ts'
import { type Abouts, commandHelp, overview, topicHelp, topicOf } from './help.ts'
import { createOut } from './output.ts'
import { parseArguments, type Request, readRequest } from './parse.ts'
import { report } from './report.ts'

/** A command with the context of the plugin, or of the core, that it came from. */
export interface Entry {
  readonly command: Command
  readonly context: Context
}

export interface Desk {
  readonly entries: ReadonlyMap<string, Entry>
  readonly abouts: Abouts
  readonly store: Store
  readonly log: Logger
  /** What git pushes an app to. */
  readonly remote: (app: string) => string
  readonly hooks: Pick<Driver, 'findAccess'>
  readonly operations: Pick<Operations, 'during'>
  /** git-receive-pack and its like: the words after splitting. Answers git's exit code. */
  readonly git: (words: readonly string[], session: Session) => Promise<number>
}

/** One session, from the line to its exit code. Every command, stream and push passes here, and nowhere else. */
export async function dispatch(session: Session, desk: Desk): Promise<number> {
  const id = randomBytes(4).toString('hex')
  const log = desk.log.child({ session: id, person: session.by.person, key: session.by.key })
  const terminal = session.terminal !== undefined
  let out = createOut(session, { plain: !terminal, terminal })
  try {
    const words = 'line' in session.command ? splitWords(session.command.line) : session.command.words
    if (/^git-(receive-pack|upload-pack|upload-archive)$/.test(words[0] ?? '')) {
      await authorise({ command: words[0]!, app: appIn(words[1]), reads: false }, { session, out, desk })
      return await audited(words.join(' '), session, desk, () => desk.git(words, session))
    }
    const request = readRequest(words)
    if (request.quiet) out = createOut(session, { plain: true, terminal })
    return await answer(request, { session, out, desk })
  } catch (error) {
    return report(error, out, { log, id })
  }
}

interface Asked {
  readonly session: Session
  readonly out: Out
  readonly desk: Desk
}

async function answer(request: Request, asked: Asked): Promise<number> {
  const { out, desk } = asked
  const help = findHelp(request, asked)
  if (help !== undefined) {
    out(help)
    return 0
  }
  const entry = desk.entries.get(request.name)
  if (!entry)
    throw new UserError(
      'no-command',
      `\`${request.name}\` is not a davit command.`,
      'See what there is: help',
    )
  return runCommand(entry, request, asked)
}

async function runCommand({ command, context }: Entry, request: Request, asked: Asked): Promise<number> {
  const { session, out, desk } = asked
  const { values, force, shown } = parseArguments(command, wordsOf(command, request))
  const { name, reads = false } = command
  await authorise({ command: name, app: appIn((values as { app?: unknown }).app), reads }, asked)
  const work = async () => {
    const question = command.confirm?.(values)
    if (question && !force && !request.force) await confirmed(question, session)
    const signal = AbortSignal.any([session.signal, context.signal])
    const call = { by: session.by, out, signal }
    return desk.operations.during(
      call,
      async () => (await command.run(values, { ...context, ...call, session })) ?? 0,
    )
  }
  return reads ? work() : audited(shown.join(' '), session, desk, work)
}

/** A `--force` before the command's name counts for a command that declares one of its own, too. */
function wordsOf({ args = {} }: Command, { force, words }: Request): readonly string[] {
  const own = Object.values(args).some(each => each.place === 'flag' && each.label === 'force')
  return force && own ? ['--force', ...words] : words
}

/** `help`, `TOPIC:help`, `COMMAND --help`, `ssh host` alone, and a bare topic that lists nothing. */
function findHelp({ name, words }: Request, { session, desk }: Asked): string | undefined {
  const commands = [...desk.entries.values()].map(each => each.command)
  if (name === '') return greeting(session, desk)
  if (name === 'help') {
    const topic = words.find(each => !each.startsWith('-'))
    return (
      (topic && commandOrTopic(topic, commands, desk)) ||
      overview(commands, desk.abouts, { all: words.includes('--all') })
    )
  }
  if (name.endsWith(':help')) return topicHelp(topicOf(name), commands, desk.abouts)
  if (asksHelp(words, desk.entries.get(name)?.command)) return commandOrTopic(name, commands, desk)
  return desk.entries.has(name) ? undefined : topicHelp(name, commands, desk.abouts)
}

/** Not where the words are for somebody else: after `--`, or after the first plain word of a command that passes them on. */
function asksHelp(words: readonly string[], command: Command | undefined): boolean {
  const passesOn = Object.values(command?.args ?? {}).some(each => each.place === 'words')
  const end = words.findIndex(each => each === '--' || (passesOn && !each.startsWith('-')))
  return words.slice(0, end < 0 ? words.length : end).some(each => each === '--help' || each === '-h')
}

function commandOrTopic(
  name: string,
  commands: readonly Command[],
  { entries, abouts }: Desk,
): string | undefined {
  const command = entries.get(name)?.command
  const topic = topicHelp(name, commands, abouts)
  if (!command) return topic
  return topic && commands.some(each => each.name.startsWith(`${name}:`))
    ? `${commandHelp(command)}\n\n${topic}`
    : commandHelp(command)
}

function greeting({ by }: Session, { remote }: Desk): string {
  return [
    `You are ${by.person}, ${by.role} here, with the key ${by.key}.`,
    '',
    'Make an app:        apps:create NAME',
    `Put it live:        git remote add davit ${remote('NAME')}, then: git push davit main`,
    'See what there is:  apps:list, logs APP, help',
  ].join('\n')
}

/** The one gate: who may run what. What no plugin decides is for admins, and for now everybody is one. */
async function authorise(
  asks: Omit<AccessEvent, 'by'>,
  { session: { by, local, signal }, out, desk }: Asked,
): Promise<void> {
  // Whoever may put plugins in may do everything: no plugin gives that away.
  const isForAdmins = asks.command.startsWith('plugin:') && by.role !== 'admin'
  const isWayOut = local || asks.command === 'plugin:disable' || isForAdmins
  const call = { by, out, signal }
  const decision: Decision | undefined = isWayOut
    ? undefined
    : await desk.hooks.findAccess({ ...asks, by }, call)
  const reason = decision?.allow === false ? ` ${decision.reason}` : ''
  if (decision ? decision.allow : by.role === 'admin') return
  throw new UserError(
    'not-allowed',
    `${by.person} may not run ${asks.command}.${reason}`,
    'Ask an admin of this host.',
  )
}

/** As it stands on the line; whether there is such an app is for the command to say. */
function appIn(word: unknown): AppName | undefined {
  const name = typeof word === 'string' ? word.replace(/^\/|\.git$/g, '') : ''
  return isAppName(name) ? name : undefined
}

/**
 * Everything that a person may change is in the audit before it begins, and with its result when it has ended. What cannot be written
 * there beforehand is not done; what cannot be afterwards is in the log, and fails.
 */
async function audited(
  line: string,
  { by }: Session,
  { store, log }: Desk,
  work: () => Promise<number>,
): Promise<number> {
  const id = store.audit.begin({ by, line, at: new Date() })
  const [result] = await Promise.allSettled([work()])
  const exit = result.status === 'fulfilled' ? result.value : exitOf(result.reason)
  let unwritten: unknown
  try {
    store.audit.end(id, { exit, at: new Date() })
  } catch (err) {
    log.error({ err, line, exit }, 'the audit could not be written')
    unwritten = err
  }
  if (result.status === 'rejected') throw result.reason
  // What failed has said so already.
  if (exit !== 0 || unwritten === undefined) return exit
  throw unwritten instanceof UserError ? unnoted(unwritten) : unwritten
}

function exitOf(error: unknown): number {
  return error instanceof UserError ? error.exit : 1
}

function unnoted({ message, hint }: UserError): UserError {
  return new UserError('unnoted', `It is done, but could not be written to the audit. ${message}`, hint)
}
