import { posix } from 'node:path'

import { type Source, UserError } from 'davit/plugin'

import { codeOf } from './code.ts'

export interface Requirements {
  /** requirements.txt and what it includes, in the order met. */
  readonly files: readonly string[]
  /** Distribution names, normalised as PEP 503 has them. */
  readonly names: ReadonlySet<string>
  /** It installs something from the repository itself, which must be there first. */
  readonly local: boolean
}

const entry = 'requirements.txt'

/** Undefined when there is none. UserError `missing-include`, `python-requirements`. */
export async function readRequirements(source: Source): Promise<Requirements | undefined> {
  const paths = await source.list()
  if (!paths.includes(entry)) {
    await refuseOthers(source, paths)
    return undefined
  }
  const files = new Map<string, boolean>()
  const lines = await readFiles(source, { path: entry, from: entry, files })
  return {
    files: [...files.keys()],
    names: new Set(lines.flatMap(nameOf)),
    local: lines.some(isLocal) || [...files.values()].includes(false),
  }
}

interface Include {
  readonly path: string
  readonly from: string
  /** Met so far, and whether they could be read: a link cannot, pip follows it once everything is copied. */
  readonly files: Map<string, boolean>
}

/** Includes and constraints are followed; the lines of constraints name nothing to install. */
async function readFiles(source: Source, { path, from, files }: Include): Promise<string[]> {
  if (files.has(path)) return []
  const bytes = await source.read(path)
  if (!bytes && !(await source.list()).includes(path)) {
    throw new UserError(
      'missing-include',
      `${from} includes ${path}, which is not in the repository.`,
      'Add the file, commit and push again.',
    )
  }
  files.set(path, bytes !== undefined)
  if (!bytes) return []
  const found: string[] = []
  for (const line of logicalLines(decode(bytes))) {
    const { kind, target } = includeOf(line)
    if (!target) found.push(line)
    else if (!isUrl(target)) {
      const next = {
        path: posix.isAbsolute(target) ? target : posix.join(posix.dirname(path), target),
        from: path,
        files,
      }
      const lines = await readFiles(source, next)
      if (kind === 'r') found.push(...lines)
    }
  }
  return found
}

/** pip takes UTF-16 with its byte order mark too, which is what `pip freeze >` writes in a Windows shell. */
function decode(bytes: Buffer): string {
  const wide = bytes[0] === 0xff && bytes[1] === 0xfe
  return new TextDecoder(wide ? 'utf-16le' : 'utf-8').decode(bytes)
}

function logicalLines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map(line => (/^\s*#/.test(line) ? '' : line))
    .join('\n')
    .replace(/\\\n/g, '')
    .split('\n')
    .map(line =>
      line
        .replace(/\s+/g, ' ')
        .replace(/(^| )#.*$/, '')
        .trim(),
    )
    .filter(Boolean)
}

function includeOf(line: string): { kind?: 'r' | 'c'; target?: string } {
  const [, short, long, target] =
    /^(?:-([rc])\s*=?|--(requirement|constraint)(?:\s+|\s*=))\s*(\S.*)$/.exec(line) ?? []
  if (!target) return {}
  return {
    kind: short === 'r' || long === 'requirement' ? 'r' : 'c',
    target: target.replace(/^(['"])(.*)\1$/, '$2'),
  }
}

function nameOf(line: string): string[] {
  if (line.startsWith('-')) return eggOf(line)
  if (isUrl(line)) return eggOf(line)
  const [name] = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/.exec(line) ?? []
  return name ? [normal(name)] : []
}

function eggOf(line: string): string[] {
  const [, name] = /[#&]egg=([A-Za-z0-9._-]+)/.exec(line) ?? []
  return name ? [normal(name)] : []
}

function normal(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-')
}

function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) && !/^file:/i.test(text)
}

/** A path as pip understands one: `.`, `-e ./lib`, `lib/x.whl`, `name @ file:…`, or a folder of wheels. */
function isLocal(line: string): boolean {
  const [, option, value = ''] = /^(-e|--editable|-f|--find-links)(?:\s+|\s*=\s*)(.+)$/.exec(line) ?? []
  if (option) return !isUrl(value) && !/^[\w.-]+(\[[^\]]*\])?\s*@\s*[a-z+]+:\/\/(?!\/)/i.test(value)
  if (line.startsWith('-') || isUrl(line)) return false
  if (/(^|@\s*)file:/i.test(line)) return true
  const target = line.split(/[;@]/)[0]!.trim()
  return /^[./]/.test(target) || target.includes('/') || /\.(whl|zip|tar\.\w+|tgz)$/i.test(target)
}

/** Other ways to name what an app needs are refused by name, rather than passed over. */
async function refuseOthers(source: Source, paths: readonly string[]): Promise<void> {
  const found = paths.includes('Pipfile')
    ? 'Pipfile'
    : (await isProject(source))
      ? 'pyproject.toml'
      : undefined
  if (!found) return
  throw new UserError(
    'python-requirements',
    `${found} is not supported yet; a requirements.txt is.`,
    `Write one with: ${exportOf(found, paths)}`,
  )
}

/** pyproject.toml often holds nothing but the settings of a linter. */
export async function isProject(source: Source): Promise<boolean> {
  return /^\[(project|tool\.poetry)\]/m.test((await codeOf(source, 'pyproject.toml')) ?? '')
}

function exportOf(found: string, paths: readonly string[]): string {
  if (found === 'Pipfile') return 'pipenv requirements > requirements.txt'
  if (paths.includes('uv.lock')) return 'uv export --no-dev > requirements.txt'
  if (paths.includes('poetry.lock')) return 'poetry export -o requirements.txt'
  return 'pip freeze > requirements.txt'
}
