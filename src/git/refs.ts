import type { RefUpdate } from './push.ts'

/** What a pushed ref is, by its short name: `refs/heads/a/b` is the branch `a/b`. */
export interface Ref {
  readonly kind: 'branch' | 'tag' | 'other'
  readonly name: string
  readonly change: 'made' | 'moved' | 'deleted'
}

export function refOf(update: RefUpdate): Ref {
  const [, folder, short] = /^refs\/(heads|tags)\/(.+)$/.exec(update.name) ?? []
  if (!folder || !short) return { kind: 'other', name: update.name, change: changeOf(update) }
  return { kind: folder === 'heads' ? 'branch' : 'tag', name: short, change: changeOf(update) }
}

export function branchRef(branch: string): string {
  return `refs/heads/${branch}`
}

function changeOf(update: RefUpdate): Ref['change'] {
  if (isNone(update.new)) return 'deleted'
  return isNone(update.old) ? 'made' : 'moved'
}

function isNone(id: string): boolean {
  return /^0+$/.test(id)
}
