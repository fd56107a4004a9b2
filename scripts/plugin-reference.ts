import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Writes the reference of hooks in plugins/README.md anew from the types in src. */

const root = join(import.meta.dirname, '..')
const [begin, end] = ['<!-- reference -->', '<!-- end of the reference -->']

/** What the hooks are told and may answer, and where it stands. */
const types: Readonly<Record<string, readonly string[]>> = {
  'src/plugin/hooks.ts': [
    'AppEvent',
    'SourceEvent',
    'ReleaseEvent',
    'ConfigEvent',
    'AccessEvent',
    'Decision',
  ],
  'src/event.ts': ['DavitEvent'],
  'src/types.ts': ['App', 'Release'],
  'src/spec.ts': ['ContainerSpec'],
  'src/source.ts': ['Source', 'StaticBuilder', 'ImageBuilder'],
  'src/route.ts': ['Route', 'Certificate'],
}

/** The README with its reference as the types are now. */
export function withReference(readme: string): string {
  const [before, rest = ''] = readme.split(begin)
  return `${before}${begin}\n${reference()}${end}${rest.split(end)[1] ?? ''}`
}

function reference(): string {
  const hooks = hooksIn(readFileSync(join(root, 'src/plugin/hooks.ts'), 'utf8'))
  const rows = hooks.map(
    ({ name, about, told, answer }) =>
      `| \`${name}\` | ${about} | ${told} | ${answer === 'void' ? '' : `\`${answer}\``} |`,
  )
  const blocks = Object.entries(types).flatMap(([file, names]) => {
    const text = readFileSync(join(root, file), 'utf8')
    return names.map(name => declarationIn(text, name))
  })
  return [
    '\n| hook | when | is told | answers |\n|---|---|---|---|',
    `${rows.join('\n')}\n`,
    'What they are told, and what they answer:\n',
    `\`\`\`ts\n${blocks.join('\n\n')}\n\`\`\`\n\n`,
  ].join('\n')
}

interface HookLine {
  readonly name: string
  readonly about: string
  readonly told: string
  readonly answer: string
}

function hooksIn(text: string): readonly HookLine[] {
  const [, body = ''] = /^export interface Hooks \{\n(.*?)^\}/ms.exec(text) ?? []
  const lines = body.matchAll(/\/\*\*(.*?)\*\/\s*(\w+)\(([^)]*)\): (\w+)/gs)
  return [...lines].map(([, about, name, args, answer]) => ({
    name: name!,
    about: about!
      .replace(/\s*\n\s*\*?\s*/g, ' ')
      .replaceAll('|', '\\|')
      .trim(),
    told: `\`${args!
      .replace(/readonly /g, '')
      .replace(/\s+/g, ' ')
      .trim()}\``.replaceAll('|', '\\|'),
    answer: answer!,
  }))
}

/** An interface or a type as it stands, with its comment. */
function declarationIn(text: string, name: string): string {
  const found = new RegExp(
    `(?:^/\\*\\*(?:(?!\\*/).)*\\*/\\n)?^export (?:interface ${name}\\b.*?^\\}|type ${name} =.*?(?=\\n\\n|\\n$))`,
    'ms',
  ).exec(text)
  if (!found) throw new Error(`There is no ${name}`)
  return found[0].replace(/^export /m, '')
}

if (process.argv[1] === import.meta.filename) {
  const file = join(root, 'plugins/README.md')
  writeFileSync(file, withReference(readFileSync(file, 'utf8')))
}
