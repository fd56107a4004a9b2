import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { PassThrough, Writable } from 'node:stream'

import { messageOf, UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Identity, Session, Terminal } from '../types.ts'
import { frame, type Kind, kinds, type Opening, readFrames, writeFramed } from './frames.ts'

export interface LocalDoor {
  readonly path: string
  readonly run: (session: Session) => Promise<number>
  readonly log: Logger
}

export interface LocalServer {
  close(): void
}

/** Whoever may open the socket is root, or the daemon's own user: file modes are its lock. Audited as `local`. */
const local: Identity = { person: 'local', key: 'local', role: 'admin' }

/** Listens on the admin socket, mode 0600. Throws UserError `socket-taken` when another daemon answers there. */
export async function serveLocal({ path, run, log }: LocalDoor): Promise<LocalServer> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  if (await answers(path)) {
    throw new UserError(
      'socket-taken',
      `Another Davit answers at ${path}.`,
      'Give this one its own: --socket, --data, --instance',
    )
  }
  rmSync(path, { force: true })
  const server = createServer(socket => {
    socket.on('error', () => socket.destroy())
    talk(socket, run).catch((err: unknown) => {
      log.warn({ err }, 'a local session broke off')
      socket.destroy()
    })
  })
  await listen(server, path)
  return {
    close() {
      server.close()
      rmSync(path, { force: true })
    },
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = dial(path)
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

async function listen(server: Server, path: string): Promise<void> {
  // Made with the narrow mode from its first moment, not narrowed after.
  const before = process.umask(0o177)
  const listening = Promise.withResolvers<void>()
  server.once('error', error =>
    listening.reject(new UserError('no-socket', `Davit cannot listen at ${path}: ${messageOf(error)}`)),
  )
  server.listen(path, () => listening.resolve())
  process.umask(before)
  await listening.promise
  chmodSync(path, 0o600)
}

async function talk(socket: Socket, run: LocalDoor['run']): Promise<void> {
  const frames = readFrames(socket)
  const first = await frames.next()
  if (first.done || first.value.kind !== kinds.open) throw new Error('the first frame is no opening')
  const ended = new AbortController()
  socket.on('close', () => ended.abort())
  const { session, hear } = createSession(
    JSON.parse(first.value.payload.toString('utf8')) as Opening,
    socket,
    ended,
  )
  const hearing = (async () => {
    for await (const { kind, payload } of frames) await hear(kind, payload)
  })().catch(() => socket.destroy())
  const code = await run(session)
  await Promise.all([flushed(session.stdout), flushed(session.stderr)])
  socket.end(frame(kinds.exit, Buffer.from(String(code))))
  await hearing
}

function createSession(opening: Opening, socket: Socket, ended: AbortController) {
  const stdin = new PassThrough()
  const resized: ((size: { cols: number; rows: number }) => void)[] = []
  const signalled: ((name: string) => void)[] = []
  const terminal: Terminal | undefined = opening.terminal && {
    ...opening.terminal,
    onResize: listener => void resized.push(listener),
  }
  const session: Session = {
    by: local,
    command: { words: opening.words.map(String) },
    stdin,
    stdout: framed(socket, kinds.stdout),
    stderr: framed(socket, kinds.stderr),
    terminal,
    env: {},
    local: true,
    signal: ended.signal,
    onSignal: listener => void signalled.push(listener),
  }
  const hear = async (kind: number, payload: Buffer) => {
    if (kind === kinds.stdin && terminal && payload.includes(interruptKey) && !isRead(stdin)) ended.abort()
    if (kind === kinds.stdin && !stdin.write(payload))
      await new Promise(resolve => stdin.once('drain', resolve).once('close', resolve))
    if (kind === kinds.stdinEnd) stdin.end()
    if (kind === kinds.resize) for (const each of resized) each(JSON.parse(payload.toString('utf8')))
    if (kind === kinds.signal) {
      if (signalled.length === 0) ended.abort()
      for (const each of signalled) each(payload.toString('utf8'))
    }
  }
  return { session, hear }
}

/** Ctrl-C of a terminal in raw mode: for the program that reads it, or else the end of the command. */
const interruptKey = 3

function isRead(stream: PassThrough): boolean {
  return stream.listenerCount('data') + stream.listenerCount('readable') > 0
}

function framed(socket: Socket, kind: Kind): Writable {
  return new Writable({ write: (chunk: Buffer, _encoding, done) => writeFramed(socket, kind, chunk, done) })
}

function flushed(stream: Writable): Promise<void> {
  return new Promise(resolve => {
    stream.once('error', () => resolve())
    stream.end(() => resolve())
  })
}
