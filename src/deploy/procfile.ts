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

/** One program with its words: no list, pipe, group, keyword, builtin or assignment, so `exec` in front changes nothing but the pid. */
function isSimple(line: string): boolean {
  const first = /^\S*/.exec(line)![0].replace(/['"\\]/g, '')
  return (
    !/[;&|<>(){}`\n]/.test(line.replace(/\$\{[^}]*\}/g, '')) &&
    !ownWords.has(first) &&
    !first.includes('=') &&
    !first.startsWith('#')
  )
}

/** Keywords and builtins of sh, bash and busybox: `exec` would look for a program of that name, or run one that behaves otherwise. */
const ownWords = new Set(
  `! [[ case coproc do done elif else esac fi for function if in select then time until while
  . : [ alias bg bind break builtin caller cd chdir command compgen complete continue declare dirs disown echo enable eval exec
  exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd printf pushd pwd read readarray
  readonly return set shift shopt source suspend test times trap true type typeset ulimit umask unalias unset wait`.split(
    /\s+/,
  ),
)
