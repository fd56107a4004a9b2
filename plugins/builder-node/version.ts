import { type Source, UserError } from 'davit/plugin'

import type { Manifest } from './manifest.ts'
import { type Interval, intervalsOf, textOf, versionOf } from './range.ts'

/** Words of the stack's `use-node`: an npm, then versions of Node, the first of which is to be had. Undefined: the stack's own is right. */
export type Use = readonly string[] | undefined

interface Wish {
  readonly use: Use
  readonly words?: string
  readonly warning?: string
}

/** The Node of davit/stack-node, and from which of its versions on a stack can be trusted to have it. */
const stack = { major: 24, from: versionOf(24, 11, 0) }

/** Tried in this order: the stack's, those that are kept up for long, those of long ago, those in between. */
const majors = [24, 22, 20, 26, 18, 16, 14, 25, 23, 21, 19, 17, 15]

const codenames: Readonly<Record<string, string>> = { krypton: '24', jod: '22', iron: '20', hydrogen: '18' }

/** What engines.node, .node-version or .nvmrc ask for, in this order. UserError `node-version` when there is no such Node. */
export async function nodeWish(source: Source, manifest: Manifest | undefined): Promise<Wish> {
  const found = await asked(source, manifest)
  if (!found) return { use: undefined }
  const { text, by } = found
  const intervals = intervalsOf(text)
  if (!intervals)
    return {
      use: undefined,
      warning: `${by} asks for ${quote(text)}, which cannot be read; Node ${stack.major} is used.`,
    }
  const chosen = choose(intervals)
  if (!chosen) {
    throw new UserError(
      'node-version',
      `${by} asks for Node ${quote(text)}, and there is none.`,
      `Node ${stack.major} is here, others come from ${Math.min(...majors)} on.`,
    )
  }
  return { use: useOf(chosen), words: `Node ${chosen.major}, as ${by} asks (${text.slice(0, 60)})` }
}

async function asked(
  source: Source,
  manifest: Manifest | undefined,
): Promise<{ text: string; by: string } | undefined> {
  if (manifest?.engine) return { text: manifest.engine.trim(), by: 'engines.node in package.json' }
  for (const by of ['.node-version', '.nvmrc']) {
    const line = (await source.read(by))
      ?.toString('utf8', 0, 200)
      .split(/\r?\n/)
      .find(each => /^\s*[^\s#]/.test(each))
    if (line) return { text: plain(line.trim()), by }
  }
}

/** nvm's own names for versions. */
function plain(text: string): string {
  const [, codename] = /^lts\/(\S+)$/.exec(text) ?? []
  if (codename) return codenames[codename.toLowerCase()] ?? (codename === '*' ? String(stack.major) : text)
  return /^(node|stable|latest|lts)$/.test(text) ? '*' : text
}

interface Chosen extends Interval {
  readonly major: number
}

/** The part of a wish that lies within one major version. */
function choose(intervals: readonly Interval[]): Chosen | undefined {
  const lowest = intervals
    .map(({ low }) => Math.floor(low / versionOf(1, 0, 0)))
    .filter(each => each > Math.max(...majors))
  for (const major of [...majors, ...lowest]) {
    for (const { low, high } of intervals) {
      const part = {
        low: Math.max(low, versionOf(major, 0, 0)),
        high: Math.min(high, versionOf(major + 1, 0, 0)),
      }
      if (part.low < part.high) return { ...part, major }
    }
  }
}

function useOf({ major, low, high }: Chosen): Use {
  const open = high === versionOf(major + 1, 0, 0)
  if (major === stack.major && open && low <= stack.from) return undefined
  const whole = open && low === versionOf(major, 0, 0)
  return [npmFor(major), ...(whole ? [] : [`>=${textOf(low)} <${textOf(high)}`]), String(major)]
}

/** The newest npm that runs on it. */
function npmFor(major: number): string {
  return major < 18 ? 'npm@8' : major < 24 ? 'npm@10' : 'npm@11'
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
