import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What TypeScript files declare, read from their text as Biome lays it out. */

const src = join(import.meta.dirname, '../../src')

/** Something that a file exports, or a member of an interface. */
export interface Declared {
  readonly name: string
  /** Its comment, on one line. */
  readonly about: string
  /** From its name on, without its body. */
  readonly signature: string
  readonly kind: 'function' | 'const' | 'class' | 'interface' | 'type' | 'member'
}

/** The text of a file of src, `plugin/args.ts`. */
export function read(path: string): string {
  return readFileSync(join(src, path), 'utf8')
}

const comment = String.raw`(?:[ ]*/\*\*(?<about>(?:(?!\*/).)*)\*/\n)?`

/** All that a file exports, in its order. */
export function exportsOf(path: string): readonly Declared[] {
  const text = read(path)
  const heads = text.matchAll(
    new RegExp(
      `^${comment}export (?:async )?(?<kind>function|const|class|interface|type) (?<name>\\w+)`,
      'gms',
    ),
  )
  return [...heads].map(({ 0: head, index, groups }) => {
    const { name, kind, about } = groups as { name: string; kind: Declared['kind']; about?: string }
    const rest = text.slice(index + head.length)
    return { name, kind, about: plain(about), signature: `${name}${kind === 'function' ? callOf(rest) : ''}` }
  })
}

/** Parameters and answer of a function, up to its body. */
function callOf(rest: string): string {
  let depth = 0
  for (const [at, letter] of [...rest].entries()) {
    if (depth === 0 && letter === '{' && /[\w>\])] $/.test(rest.slice(0, at)))
      return oneLine(rest.slice(0, at))
    if ('([{'.includes(letter)) depth++
    else if (')]}'.includes(letter)) depth--
  }
  throw new Error(`There is no body after ${rest.slice(0, 80)}`)
}

/** An interface or a type as it stands, with its comment. */
export function declarationIn(path: string, name: string): string {
  const found = new RegExp(
    `^${comment}export (?:interface ${name}\\b.*?^\\}|type ${name} =.*?(?=\\n\\n|\\n$))`,
    'ms',
  ).exec(read(path))
  if (!found) throw new Error(`There is no ${name} in ${path}`)
  return found[0].replace(/^export /m, '')
}

/** The members of an interface; those of a member that is an object come with its name in front, `apps.find`. */
export function membersOf(path: string, name: string): readonly Declared[] {
  const found = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(read(path))
  if (!found) throw new Error(`There is no ${name} in ${path}`)
  return membersIn(found[1]!, '')
}

function membersIn(body: string, before: string): readonly Declared[] {
  return pieces(body).flatMap(piece => {
    const { about, rest } = new RegExp(`^${comment}(?<rest>.*)$`, 's').exec(piece)!.groups!
    const { name, object } = /^\s*(?:readonly )?(?<name>\w+)(?:\??: (?<object>\{\n.*\})\s*$)?/s.exec(rest!)!
      .groups!
    if (object) return membersIn(object.slice(2, -1), `${before}${name}.`)
    return [
      {
        name: `${before}${name}`,
        kind: 'member',
        about: plain(about),
        signature: `${before}${oneLine(rest!)}`,
      },
    ]
  })
}

/** A body cut at its members: a line ends one where every bracket is closed again, and what follows is not its comment. */
function pieces(body: string): readonly string[] {
  const found: string[] = []
  let [piece, depth] = ['', 0]
  for (const line of body.split('\n')) {
    if (line.trim() === '') continue
    piece += `${line}\n`
    if (/^\s*(?:\/\*\*|\*)/.test(line)) continue
    for (const letter of line.replaceAll('=>', ''))
      depth += '([{<'.includes(letter) ? 1 : ')]}>'.includes(letter) ? -1 : 0
    if (depth > 0) continue
    found.push(piece)
    piece = ''
  }
  return found
}

/** A comment as a sentence in a table. */
export function plain(about = ''): string {
  return about.replace(/\s*\n\s*\*?\s*/g, ' ').trim()
}

function oneLine(text: string): string {
  return text
    .replace(/\breadonly /g, '')
    .replace(/\s+/g, ' ')
    .replace(/([([]) | (?=[)\]])/g, '$1')
    .replace(/,(?=[)\]])/g, '')
    .trim()
}
