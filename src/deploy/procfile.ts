import { UserError } from '../errors.ts'
import { isProcessName } from '../plugin/names.ts'
import type { Procfile } from '../types.ts'

/**
 * `name: command` a line; empty lines and lines that begin with # are passed over. Throws UserError `bad-procfile` naming the line.
 */
export function parseProcfile(text: string): Procfile {
  const processes = new Map<string, string>()
  for (const [at, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (/^\s*(#|$)/.test(line)) continue
    const [, name, command] = /^\s*([^\s:]+)\s*:\s*(.*\S)\s*$/.exec(line) ?? []
    if (!name || !command) throw bad(at, `${quote(line)} is not "name: command"`)
    if (!isProcessName(name))
      throw bad(at, `${quote(name)} cannot be a process name: letters, digits, - and _`)
    if (processes.has(name)) throw bad(at, `${name} is there twice`)
    processes.set(name, command)
  }
  if (processes.size === 0) {
    throw new UserError(
      'bad-procfile',
      'The Procfile names no process.',
      'Add a line such as: web: gunicorn app:app',
    )
  }
  return Object.fromEntries(processes)
}

function bad(at: number, what: string): UserError {
  return new UserError(
    'bad-procfile',
    `Procfile line ${at + 1}: ${what}.`,
    'Mend the line, commit and push again.',
  )
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

/** What a container runs: the image's own command for an empty line. The one place where a shell is started. */
export function commandOf(line: string): readonly string[] {
  return line === '' ? [] : ['/bin/sh', '-c', isSimple(line) ? `exec ${line}` : line]
}

/** One program with its words: no list, pipe, group, keyword or assignment, so `exec` in front changes nothing but the pid. */
function isSimple(line: string): boolean {
  const first = /^\S*/.exec(line)![0]
  return (
    !/[;&|<>(){}`\n]/.test(line.replace(/\$\{[^}]*\}/g, '')) &&
    !/^(if|for|while|until|case|!|exec|cd|export|set|\.|source|eval|unset|trap|ulimit|umask)$/.test(first) &&
    !first.includes('=')
  )
}
