import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { examples, typed } from './plugin-reference.d/builders.ts'
import {
  type Declared,
  declarationIn,
  exportsOf,
  membersOf,
  plain,
  read,
} from './plugin-reference.d/declarations.ts'

/** Writes the reference in plugins/README.md anew from the types in src. */

const root = join(import.meta.dirname, '..')
const [begin, end] = ['<!-- reference -->', '<!-- end of the reference -->']

/** What is shown as it is declared, and where that is. */
const told: Readonly<Record<string, readonly string[]>> = {
  'plugin/hooks.ts': ['AppEvent', 'SourceEvent', 'ReleaseEvent', 'ConfigEvent', 'AccessEvent', 'Decision'],
  'event.ts': ['DavitEvent'],
  'types.ts': ['App', 'Release'],
  'spec.ts': ['ContainerSpec'],
  'service.ts': ['ServiceSpec', 'Volume'],
  'plugin/services.ts': ['ServiceFacts'],
  'source.ts': ['Source', 'StaticBuilder', 'ImageBuilder'],
  'route.ts': ['Route', 'Certificate'],
}
const written: Readonly<Record<string, readonly string[]>> = {
  'plugin/define.ts': ['Plugin', 'Context', 'Kv', 'Kept', 'Job', 'JobContext'],
  'plugin/command.ts': ['Command', 'CommandContext'],
  'plugin/mount.ts': ['FilesMount', 'HandledMount', 'MountRequest', 'MountAnswer'],
  'plugin/property.ts': ['Property', 'Topic'],
  'types.ts': ['Out', 'Call', 'Identity'],
}

/** The README with its reference as the types are now. */
export function withReference(readme: string): string {
  const [before, rest = ''] = readme.split(begin)
  return `${before}${begin}\n${reference()}${end}${rest.split(end)[1] ?? ''}`
}

function reference(): string {
  return `${[
    '\n### Every hook\n',
    hooksTable(),
    '\nWhat they are told, and what they answer:\n',
    declarations(told),
    '\n### What a plugin consists of\n',
    declarations(written),
    '\n### Arguments of commands\n',
    buildersTable(),
    '\n### `core`\n',
    membersTable(),
    '\n### Everything that `davit/plugin` exports\n',
    exportsTable(exported('plugin/index.ts')),
    '\nAnd `davit/plugin/testing`:\n',
    exportsTable(exportsOf('plugin/testing.ts')),
  ].join('\n')}\n\n`
}

function declarations(of: Readonly<Record<string, readonly string[]>>): string {
  const blocks = Object.entries(of).flatMap(([path, names]) => names.map(name => declarationIn(path, name)))
  return `\`\`\`ts\n${blocks.join('\n\n')}\n\`\`\``
}

function hooksTable(): string {
  const [, body = ''] = /^export interface Hooks \{\n(.*?)^\}/ms.exec(read('plugin/hooks.ts')) ?? []
  const lines = body.matchAll(/\/\*\*(.*?)\*\/\s*(\w+)\(([^)]*)\): (\w+)/gs)
  return table(
    ['hook', 'when', 'is told', 'answers'],
    [...lines].map(([, about, name, args, answer]) => [
      code(name!),
      plain(about),
      code(
        args!
          .replace(/readonly /g, '')
          .replace(/\s+/g, ' ')
          .trim(),
      ),
      answer === 'void' ? '' : code(answer!),
    ]),
  )
}

/** Of each builder one example, as it is typed, and what `run` gets for it. */
function buildersTable(): string {
  const shown = read('../scripts/plugin-reference.d/builders.ts')
  const rows = exportsOf('plugin/args.ts')
    .filter(each => each.kind === 'function')
    .map(({ name, about, signature }) => {
      const [, example] = new RegExp(`^ {2}${name}: \\{ (.+) \\},$`, 'm').exec(shown) ?? []
      const args = examples[name]
      if (!example || !args)
        throw new Error(`scripts/plugin-reference.d/builders.ts has no example of ${name}`)
      const [, value] = /^.*\): (?:Argument|Read)<(.+)>$/.exec(signature) ?? []
      return [code(name), about, code(example), code(typed(args)), code(value!)]
    })
  return table(['', 'takes', 'for example', 'is typed', '`run` gets'], rows)
}

/** What stands in a file of its own. */
const parts: Readonly<Record<string, readonly [path: string, name: string]>> = {
  plugins: ['plugin/catalogue.ts', 'Catalogue'],
  services: ['plugin/services.ts', 'PluginServices'],
}

function membersTable(): string {
  const core = [
    ...membersOf('plugin/plugin-core.ts', 'PluginCore'),
    ...membersOf('plugin/core.ts', 'Core'),
    ...membersOf('plugin/edge-core.ts', 'EdgeCore'),
  ].flatMap(each => {
    const [path, name] = parts[each.name] ?? []
    if (path === undefined || name === undefined) return [each]
    return membersOf(path, name).map(inner => ({ ...inner, signature: `${each.name}.${inner.signature}` }))
  })
  const rows = core
    .toSorted((a, b) => topic(a).localeCompare(topic(b)))
    .map(each => [code(each.signature), saying(each)])
  return table(['`core.`', ''], rows)
}

function topic({ signature }: Declared): string {
  return /^(\w+)\./.exec(signature)?.[1] ?? ''
}

/** What an index passes on, its files in order; `*` is all of a file, and what that one passes on. */
function exported(path: string): readonly Declared[] {
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : ''
  const lines = read(path).matchAll(/^export (?:type )?(\*|\{[^}]*\}) from '([^']+)'/gm)
  return [...lines].flatMap(([, what, from]) => {
    const file = join(folder, from!)
    const all = [...exportsOf(file), ...exported(file)]
    if (what === '*') return all
    const names = [...what!.matchAll(/(?:type )?(\w+)/g)].map(([, name]) => name)
    return all.filter(each => names.includes(each.name))
  })
}

function exportsTable(all: readonly Declared[]): string {
  const builders = new Set(Object.keys(examples))
  const rows = all
    .filter(each => !builders.has(each.name))
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(each => [code(each.kind === 'function' ? each.signature : each.name), each.kind, saying(each)])
  return table(['', '', ''], rows)
}

function saying({ about, name }: Declared): string {
  if (about) return about
  throw new Error(`${name} does not say what it is`)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map(each => each.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

function code(text: string): string {
  return `\`${text}\``
}

if (process.argv[1] === import.meta.filename) {
  const file = join(root, 'plugins/README.md')
  writeFileSync(file, withReference(readFileSync(file, 'utf8')))
}
