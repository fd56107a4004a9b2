import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pino from 'pino'
import type { Test } from 'tap'

import { serveLocal } from '../../src/cli/local.ts'
import { plainEnv, root } from '../../src/settings.ts'
import type { Session } from '../../src/types.ts'

const log = pino({ level: 'silent' })

/** The local socket with one command behind it. */
export async function door(t: Test, run: (session: Session) => Promise<number>) {
  const dir = await mkdtemp(join(tmpdir(), 'davit-door-'))
  const path = join(dir, 'run/admin.sock')
  const server = await serveLocal({ path, run, log })
  t.teardown(async () => {
    server.close()
    await rm(dir, { recursive: true })
  })
  return {
    path,
    server,
    /** `davit WORDS`, the program itself. */
    davit: (...words: string[]) => davit(t, path, words),
    dial: () => {
      const socket = connect(path)
      t.teardown(() => socket.destroy())
      return socket
    },
  }
}

export function davit(t: Test, path: string, words: readonly string[]) {
  const child = spawn(join(root, 'scripts/davit'), words, {
    env: { ...plainEnv(), DAVIT_SOCKET: path },
    stdio: 'pipe',
  })
  t.teardown(() => child.kill('SIGKILL'))
  child.stdin.on('error', () => undefined)
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8')
  }
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>(resolve =>
    child.on('close', code => resolve({ code, ...text })),
  )
  return {
    child,
    /** Reads both streams to their end. */
    ended: () => {
      for (const name of ['stdout', 'stderr'] as const)
        child[name].on('data', chunk => {
          text[name] += chunk
        })
      return ended
    },
    exited: ended,
  }
}
