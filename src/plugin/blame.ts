import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

import { messageOf, UserError } from '../errors.ts'

/** Where plugins' programs lie: whose folder a line of a stack names is at fault. */
export type Places = readonly { readonly name: string; readonly folder: string }[]

/** The plugin whose file comes first in a stack, or in a text. */
export function ownerIn(stack: string, places: Places): string | undefined {
  for (const line of stack.split('\n')) {
    const found = places.find(({ folder }) => line.includes(`${folder}/`))
    if (found) return found.name
  }
  return undefined
}

/**
 * What an error says, with the place of it in the plugin's own files: `words is not a function (index.ts:12)`. `folder` is the plugin's,
 * where it has one; what a person can put right stands for itself.
 */
export function explain(error: unknown, folder: string | undefined): string {
  if (folder === undefined) return messageOf(error)
  const text = messageOf(error).replaceAll(`file://${folder}/`, '').replaceAll(`${folder}/`, '')
  if (error instanceof UserError) return text
  const at = lineOf(error, folder)
  return at === undefined ? text : `${text} (${at})`
}

function lineOf(error: unknown, folder: string): string | undefined {
  if (!(error instanceof Error)) return undefined
  return lineIn(error.stack ?? '', folder) ?? importIn(error, folder) ?? lineOf(error.cause, folder)
}

/** The first line of the plugin's files that a stack names, its dependencies' only where it names no other: `words/list.ts:3`. */
export function lineIn(stack: string, folder: string): string | undefined {
  const found = stack.split('\n').flatMap(line => {
    const [, path] = line.split(`${folder}/`)
    const [, file, number] = /^([^?:]+)(?:\?[^:]*)?:(\d+)/.exec(path ?? '') ?? []
    return file === undefined ? [] : [`${file}:${number}`]
  })
  return found.find(each => !each.startsWith('node_modules/')) ?? found[0]
}

/** Node names the file that imports what is not there, but not the line. */
function importIn({ message }: Error, folder: string): string | undefined {
  const [, what, from] = /^Cannot find (?:module|package) '(.+)' imported from (.+)$/.exec(message) ?? []
  if (!what || !from?.startsWith(`${folder}/`)) return undefined
  const name = what.split('/').at(-1)!
  const lines = readFileSync(from, 'utf8').split('\n')
  const at = lines.findIndex(line => /\b(?:import|from)\b/.test(line) && line.includes(name))
  return at < 0 ? undefined : `${relative(folder, join(from))}:${at + 1}`
}

const mostBytes = 64

/** Whose code is on the loop: shared with a thread that looks when it is blocked. Names are short; nothing: Davit's own. */
export const onLoop = new Uint8Array(new SharedArrayBuffer(mostBytes))

/** Notes the plugin for as long as `work` holds the loop. */
export function holdingLoop<T>(plugin: string, work: () => T): T {
  const before = onLoop.slice()
  const { written } = new TextEncoder().encodeInto(plugin, onLoop.subarray(1))
  onLoop[0] = written
  try {
    return work()
  } finally {
    onLoop.set(before)
  }
}

export function nameIn(shared: Uint8Array): string | undefined {
  const length = shared[0]!
  return length === 0 ? undefined : new TextDecoder().decode(shared.slice(1, 1 + length))
}
