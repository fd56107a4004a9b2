import { connect, type Socket } from 'node:net'

import { UserError } from '../errors.ts'
import { frame, jsonFrame, kinds, type Opening, readFrames } from './frames.ts'

export interface ClientStreams {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
}

/** `davit COMMAND` on the host itself: one session through the local socket. Answers the exit code. */
export async function runLocally(
  path: string,
  words: readonly string[],
  { stdin, stdout, stderr }: ClientStreams,
): Promise<number> {
  const socket = await open(path)
  for (const stream of [socket, stdin, stdout, stderr]) stream.on('error', () => undefined)
  const terminal = stdin.isTTY && stdout.isTTY ? sizeOf(stdout) : undefined
  const opening: Opening = { words, terminal }
  socket.write(jsonFrame(kinds.open, opening))
  if (terminal) stdin.setRawMode(true)
  stdout.on('resize', () => terminal && socket.write(jsonFrame(kinds.resize, sizeOf(stdout))))
  process.on('SIGINT', () => socket.write(frame(kinds.signal, Buffer.from('INT'))))
  stdin.on('data', chunk => {
    stdin.pause()
    socket.write(frame(kinds.stdin, Buffer.from(chunk)))
  })
  stdin.on('end', () => socket.write(frame(kinds.stdinEnd, Buffer.alloc(0))))
  try {
    for await (const { kind, payload } of readFrames(socket)) {
      if (kind === kinds.taken) stdin.resume()
      if (kind === kinds.stdout && !(await written(stdout, payload))) return readerGone
      if (kind === kinds.stderr && !(await written(stderr, payload))) return readerGone
      if (kind === kinds.exit) return Number(payload.toString('utf8'))
    }
    throw gone()
  } catch (error) {
    throw error instanceof UserError ? error : gone(error)
  } finally {
    if (terminal) stdin.setRawMode(false)
    socket.destroy()
    stdin.destroy()
  }
}

/** As a program that SIGPIPE ended. */
const readerGone = 128 + 13

function gone(cause?: unknown): UserError {
  return new UserError(
    'davit-gone',
    'Davit ended before the command did.',
    'See its log; what was begun is finished or undone when it starts again.',
    { cause },
  )
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const hint =
        error.code === 'EACCES'
          ? 'Only root, and the user it runs as, may use it: sudo davit …'
          : 'Start it with: davit up'
      reject(
        new UserError('davit-away', `No Davit answers at ${path} (${error.code}).`, hint, { cause: error }),
      )
    })
  })
}

function sizeOf({ columns, rows }: NodeJS.WriteStream) {
  return { term: 'xterm-256color', cols: columns, rows }
}

/** Whether somebody still reads. */
function written(stream: NodeJS.WriteStream, chunk: Buffer): Promise<boolean> {
  return new Promise(resolve => stream.write(chunk, error => resolve(!error)))
}
