import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { type CommandContext, type ContainerSpec, type Core, type Terminal, UserError } from 'davit/plugin'

const form = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/

/** Where Dokku keeps its own, as playbooks name it. */
const theirs = '/var/lib/dokku/data/storage/'

export function readName(word: string): string {
  if (form.test(word)) return word
  throw new UserError(
    'bad-name',
    `${JSON.stringify(word)} cannot be a storage's name.`,
    'Letters, digits, - and _.',
  )
}

/** The name of the storage that is meant: by its name, or by its path. */
export function nameIn(host: string, core: Core): string | undefined {
  if (!host.includes('/')) return readName(host)
  const folder = [theirs, `${core.folder('storage')}/`].find(each => host.startsWith(each))
  return folder === undefined ? undefined : readName(host.slice(folder.length).replace(/\/$/, ''))
}

/** Of a storage by its name; a path of the host is one already. */
export function pathOf(source: string, core: Core): string {
  return source.startsWith('/') ? source : join(core.folder('storage'), source)
}

export function exists(name: string, core: Core): boolean {
  return statSync(pathOf(name, core), { throwIfNoEntry: false })?.isDirectory() ?? false
}

export function list(core: Core): readonly string[] {
  return readdirSync(core.folder('storage'))
    .filter(name => form.test(name))
    .sort()
}

export function make(name: string, core: Core): string {
  const path = pathOf(name, core)
  mkdirSync(path, { recursive: true, mode: 0o755 })
  return path
}

/** Users that builders run apps as, by the names that Dokku has for them. */
const owners: Readonly<Record<string, string>> = {
  ...{ herokuish: '32767:32767', heroku: '1000:1000', packeto: '2000:2000', paketo: '2000:2000' },
  ...{ root: '0:0', false: 'false' },
}

export function owner(word: string): string {
  if (Object.hasOwn(owners, word)) return owners[word]!
  if (/^\d{1,9}(:\d{1,9})?$/.test(word)) return word.includes(':') ? word : `${word}:${word}`
  throw new UserError(
    'bad-owner',
    `Unsupported chown permissions: ${word}`,
    `There are: ${Object.keys(owners).join(', ')}, UID:GID`,
  )
}

/** The same, which has to come out well. UserError `work-failed`; what went wrong it has said itself. */
export async function mustWork(...given: Parameters<typeof work>): Promise<void> {
  const code = await work(...given)
  if (code !== 0) throw new UserError('work-failed', `${given[0][0]} ended with ${code}.`)
}

/** A command of ours as root beside a storage, with the person at its other end. Answers its exit code. */
export async function work(
  words: readonly string[],
  mounts: ContainerSpec['mounts'],
  { core, session, signal, terminal }: CommandContext & { readonly terminal?: Terminal | undefined },
): Promise<number> {
  const { stdin, stdout, stderr } = session
  return core.containers.work({ words, mounts }, { stdin, stdout, stderr, terminal, env: {}, signal })
}
