import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { PassThrough, Writable } from 'node:stream'

import { Cancelled, messageOf, UserError } from '../errors.ts'
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
  const { session, hear, leave } = createSession(
    JSON.parse(first.value.payload.toString('utf8')) as Opening,
    socket,
  )
  socket.on('close', leave)
  const hearing = (async () => {
    for await (const { kind, payload } of frames) hear(kind, payload)
  })().catch(() => socket.destroy())
  const code = await run(session)
  await Promise.all([flushed(session.stdout), flushed(session.stderr)])
  socket.end(frame(kinds.exit, Buffer.from(String(code))))
  await hearing
}

function createSession(opening: Opening, socket: Socket) {
  const ended = new AbortController()
  const stdin = new PassThrough().on('error', () => undefined)
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
  const hear = (kind: number, payload: Buffer) => {
    if (kind === kinds.stdin && terminal && payload.includes(interruptKey) && !isRead(stdin))
      ended.abort(new Cancelled())
    if (kind === kinds.stdin) take(stdin, payload, socket)
    if (kind === kinds.stdinEnd) stdin.end()
    if (kind === kinds.resize) {
      const size = JSON.parse(payload.toString('utf8'))
      for (const each of resized) each(size)
    }
    if (kind === kinds.signal) {
      if (signalled.length === 0) ended.abort(new Cancelled())
      for (const each of signalled) each(payload.toString('utf8'))
    }
  }
  const leave = () => {
    ended.abort(new Cancelled('The connection was lost.'))
    stdin.destroy(new Cancelled('The connection was lost before the end of the input.'))
    session.stdout.destroy()
    session.stderr.destroy()
  }
  return { session, hear, leave }
}

/** Ctrl-C of a terminal in raw mode: for the program that reads it, or else the end of the command. */
const interruptKey = 3

function isRead(stream: PassThrough): boolean {
  return stream.listenerCount('data') + stream.listenerCount('readable') > 0
}

/** Input for a command that takes no more is dropped, and no more is asked for. */
function take(stdin: PassThrough, payload: Buffer, socket: Socket): void {
  if (!stdin.writable) return
  if (stdin.writableLength > 0) throw new Error('more came than was asked for')
  stdin.write(payload, error => {
    if (!error && socket.writable) socket.write(frame(kinds.taken, Buffer.alloc(0)))
  })
}

/** Who writes after the client has left harms nobody. */
function framed(socket: Socket, kind: Kind): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => writeFramed(socket, kind, chunk, done),
  }).on('error', () => undefined)
}

function flushed(stream: Writable): Promise<void> {
  return new Promise(resolve => {
    stream.once('error', () => resolve())
    stream.end(() => resolve())
  })
}
