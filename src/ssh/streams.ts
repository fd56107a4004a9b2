import { Readable, Writable } from 'node:stream'

import type { Session as Asking, ServerChannel } from 'ssh2'

import type { Flow } from './flow.ts'
import { forgetWritten } from './inside.ts'

export interface Inlet {
  readonly asking: Asking
  readonly channel: ServerChannel
  /** Ctrl-C came while nothing was reading. */
  readonly interrupt: () => void
}

/**
 * What the client sends, as a stream of its own: who destroys it does not take the channel, and with it the exit status, along.
 * It ends only where the client said so.
 */
export function inlet({ asking, channel, interrupt }: Inlet): Readable {
  let isWhole = false
  asking.on('eof', () => {
    isWhole = true
  })
  const stdin = new Readable({ read: () => void channel.resume() })
  stdin.on('error', () => {})
  channel.on('data', (chunk: Buffer) => {
    if (isUnread(stdin) && chunk.includes(interruptByte)) interrupt()
    if (stdin.destroyed || !stdin.push(chunk)) channel.pause()
  })
  channel.on('end', () => {
    if (isWhole) stdin.push(null)
  })
  return stdin
}

const interruptByte = 3

// With a terminal Ctrl-C is a byte. A command that reads input decides itself what it means.
function isUnread(stdin: Readable): boolean {
  return stdin.listenerCount('data') + stdin.listenerCount('readable') === 0
}

/** A stream to the client. Who destroys it, or writes after its end, harms nothing else. */
export function outlet(send: (chunk: Buffer) => Promise<void>): Writable {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      send(chunk).then(() => done(), done)
    },
  })
  stream.on('error', () => {})
  return stream
}

const sliceBytes = 256 * 1024

/** One write at a time on both streams: ssh2 loses or doubles data when both wait for the window. */
export function sender(channel: ServerChannel, flow: Flow, gone: AbortSignal) {
  let turn = Promise.resolve()
  const deliver = async (to: Writable, chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += sliceBytes) {
      await flow.room()
      if (gone.aborted) return
      await written(to, chunk.subarray(at, at + sliceBytes), gone)
      forgetWritten(channel)
    }
  }
  return (to: Writable, chunk: Buffer): Promise<void> => {
    turn = turn.then(() => deliver(to, chunk))
    return turn
  }
}

// A channel that is gone never calls back.
function written(to: Writable, chunk: Buffer, gone: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      gone.removeEventListener('abort', done)
      resolve()
    }
    gone.addEventListener('abort', done)
    to.write(chunk, done)
  })
}

/** Ends a stream, and waits until all of it is sent or it is gone. */
export function flushed(stream: Writable): Promise<void> {
  if (stream.destroyed || stream.writableFinished) return Promise.resolve()
  return new Promise(resolve => {
    stream.once('close', resolve)
    stream.end()
  })
}
