import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'

/** Why a program cannot be run by what its first line names, `#!/usr/bin/env python3`; undefined when it can, or names nothing. */
export function wrongInterpreter(file: string, searched: string): string | undefined {
  const [, line] = /^#!([^\n]*)/.exec(beginningOf(file)) ?? []
  if (line === undefined) return undefined
  if (line.endsWith('\r'))
    return 'has lines that end as on Windows, which no interpreter is found by: end them with a newline alone'
  const [path = '', word = ''] = line.trim().split(/\s+/)
  if (!existsSync(path)) return `is to be run by ${JSON.stringify(path)}, which is not on this host`
  const isSearched = basename(path) === 'env' && /^[\w.+-]+$/.test(word) && !word.startsWith('-')
  if (!isSearched || searched.split(delimiter).some(folder => existsSync(join(folder, word))))
    return undefined
  return `is to be run by ${word}, which is not on this host`
}

/** The kernel reads no more of it either (execve(2)). */
function beginningOf(file: string): string {
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(256)
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0)).toString('latin1')
  } finally {
    closeSync(descriptor)
  }
}
