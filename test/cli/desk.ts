import { PassThrough, Writable } from 'node:stream'

import pino from 'pino'
import type { Test } from 'tap'

import { type Desk, dispatch } from '../../src/cli/dispatch.ts'
import { abouts, commands } from '../../src/commands/index.ts'
import type { Command } from '../../src/plugin/command.ts'
import type { Context } from '../../src/plugin/define.ts'
import type { Session, Terminal } from '../../src/types.ts'
import { ann, member, workshop } from '../core/workshop.ts'
import { sink } from '../docker/tiny.ts'

export const terminal: Terminal = { term: 'xterm', cols: 80, rows: 24, onResize: () => undefined }

interface Said extends Partial<Pick<Session, 'by' | 'signal' | 'local'>> {
  readonly terminal?: Terminal
  /** Keys; null is the end of input. */
  readonly typed?: string | null
  readonly input?: string | Buffer
}

/** The gate with all of Davit's commands, those of plugins, and some of the test's own, behind it. */
export function desk(t: Test, more: readonly Command[] = [], given: Parameters<typeof workshop>[1] = {}) {
  const { core, rooms, told, certificates, options, members } = workshop(t, given)
  const logged: Record<string, unknown>[] = []
  const log = pino(
    new Writable({
      write(line: Buffer, _, done) {
        logged.push(JSON.parse(line.toString()))
        done()
      },
    }),
  )
  const context: Context = {
    ...member({ name: 'x', about: '', api: 1 }).context,
    core,
    dir: rooms.settings.data,
  }
  const gits: (readonly string[])[] = []
  const desk: Desk = {
    get entries() {
      return new Map([
        ...[...commands, ...more].map(command => [command.name, { command, context }] as const),
        ...rooms.roster
          .members()
          .flatMap(({ plugin, context }) =>
            (plugin.commands ?? []).map(command => [command.name, { command, context }] as const),
          ),
      ])
    },
    abouts,
    store: rooms.store,
    log,
    hooks: rooms.hooks,
    operations: rooms.operations,
    remote: app => `ssh://davit@HOST/${app}`,
    git: async words => {
      gits.push(words)
      return 0
    },
  }
  const say = async (
    line: string,
    { by = ann, signal, local = false, terminal, typed, input }: Said = {},
  ) => {
    const [stdin, stdout, stderr] = [new PassThrough(), sink(), sink()]
    if (typed === null || !terminal) stdin.end(input)
    else if (typed) stdin.write(typed)
    const code = await dispatch(
      {
        by,
        command: { line },
        stdin,
        stdout,
        stderr,
        terminal,
        env: {},
        local,
        signal: signal ?? new AbortController().signal,
        onSignal: () => undefined,
      },
      desk,
    )
    return { code, stdout: stdout.text(), stderr: stderr.text() }
  }
  const audit = () => rooms.store.audit.list({ limit: 100 }).toReversed()
  return { say, logged, gits, audit, core, rooms, told, certificates, options, members }
}
