import { connect, type Socket } from 'node:net'

import { messageOf, UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { frame, readFrames } from './frames.ts'
import { answerOf } from './shape.ts'
import { type Answer, type Request, wireVersion } from './wire.ts'

/** A connection to the proxy that comes again and again. */
export interface Line {
  connected(deadline: Deadline): Promise<Connection>
  /** gone: it was there before. */
  state(): 'absent' | 'there' | 'gone'
  onConnect(listener: () => void): void
  close(): void
}

export interface Connection {
  ask(request: Request, deadline: Deadline): Promise<Answer | 'lost'>
}

export interface Deadline {
  /** None when it is over; it may be more than it was. */
  leftMs(): number
  missed(): UserError
}

export function away(sentence: string): UserError {
  return new UserError('proxy-away', sentence, 'See whether it runs: systemctl status davit-proxy')
}

/** Who waits for a connection. */
interface Waiter {
  ready(connection: Connection): void
  closed(): void
}

const greetingMs = 10_000

/** Connects, says hello, and connects again with back-off whenever the connection goes. */
export function keepLine(socketPath: string, log: Logger): Line {
  const listeners: (() => void)[] = []
  const waiting = new Set<Waiter>()
  let connection: Connection | undefined
  let socket: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  let pauseMs = 50
  let closed = false
  let wasThere = false

  function dial() {
    socket = connect(socketPath)
    const next = speak(socket)
    const greet = async () => {
      const answer = await next.ask({ verb: 'hello', version: wireVersion }, greeting())
      if (answer !== 'lost' && answer.ok) return ready(next)
      if (answer !== 'lost') log.error(`the proxy does not take us: ${answer.error}`)
      socket?.destroy()
    }
    socket.once('connect', () => {
      greet().catch((error: unknown) => {
        log.warn(`the proxy does not answer: ${messageOf(error)}`)
        socket?.destroy()
      })
    })
    socket.on('error', error => log.debug(`the proxy's socket: ${messageOf(error)}`))
    socket.once('close', again)
  }

  function ready(next: Connection) {
    connection = next
    wasThere = true
    pauseMs = 50
    log.info('connected to the proxy')
    // Listeners tell the whole table first; whoever waited comes after them.
    for (const listener of listeners) listener()
    for (const waiter of waiting) waiter.ready(next)
    waiting.clear()
  }

  function again() {
    if (connection) log.warn('the connection to the proxy is gone')
    connection = undefined
    if (closed) return
    timer = setTimeout(dial, pauseMs)
    pauseMs = Math.min(pauseMs * 2, 2000)
  }

  dial()
  return {
    connected: async deadline => {
      if (closed) throw isClosed()
      return connection ?? comes(waiting, deadline)
    },
    state: () => (connection ? 'there' : wasThere ? 'gone' : 'absent'),
    onConnect: listener => {
      listeners.push(listener)
      if (connection) queueMicrotask(listener)
    },
    close: () => {
      closed = true
      clearTimeout(timer)
      socket?.destroy()
      for (const waiter of waiting) waiter.closed()
      waiting.clear()
    },
  }
}

function isClosed(): UserError {
  return away('The connection to the proxy is closed.')
}

function comes(waiting: Set<Waiter>, deadline: Deadline): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const stop = whenOver(deadline, () => {
      waiting.delete(waiter)
      reject(deadline.missed())
    })
    const waiter: Waiter = {
      ready(connection) {
        stop()
        resolve(connection)
      },
      closed() {
        stop()
        reject(isClosed())
      },
    }
    waiting.add(waiter)
  })
}

/** Calls back once nothing is left of it, however often it is put off, until the returned function is called. */
function whenOver(deadline: Deadline, over: () => void): () => void {
  const look = () => {
    const left = deadline.leftMs()
    if (left > 0) timer = setTimeout(look, left)
    else over()
  }
  let timer = setTimeout(look, Math.max(0, deadline.leftMs()))
  return () => clearTimeout(timer)
}

function greeting(): Deadline {
  const until = Date.now() + greetingMs
  return { leftMs: () => until - Date.now(), missed: () => away('The proxy does not answer.') }
}

/** Requests and answers by id over one socket. */
function speak(socket: Socket): Connection {
  const pending = new Map<number, (answer: Answer | 'lost') => void>()
  let last = 0
  readFrames(socket, message => {
    const answer = answerOf(message)
    pending.get(answer.id)?.(answer)
  })
  socket.once('close', () => {
    for (const settle of pending.values()) settle('lost')
  })
  return {
    ask: (request, deadline) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return resolve('lost')
        const id = ++last
        const stop = whenOver(deadline, () => {
          pending.delete(id)
          reject(deadline.missed())
        })
        pending.set(id, answer => {
          stop()
          pending.delete(id)
          resolve(answer)
        })
        socket.write(frame({ ...request, id }))
      }),
  }
}
