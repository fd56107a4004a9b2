import { chmod, unlink } from 'node:fs/promises'
import net, { type Socket } from 'node:net'

import { frame, readFrames } from '../edge/frames.ts'
import { requestOf } from '../edge/shape.ts'
import { type Answer, type Framed, type Request, wireVersion } from '../edge/wire.ts'
import { messageOf, UserError } from '../errors.ts'
import type { Logger } from '../log.ts'

export type Verb = Exclude<Request, { verb: 'hello' }>
/** All but what is for the first process alone. */
export type WorkersVerb = Exclude<Verb, { verb: 'upgrade' }>

export interface Control {
  close(): Promise<void>
}

/** The daemon's way in: a Unix socket, 0660. `obey` answers when every worker has done it. */
export async function openControl(
  path: string,
  { obey, log }: { obey: (request: Verb) => Promise<unknown>; log: Logger },
): Promise<Control> {
  if (Buffer.byteLength(path) > 103) {
    throw new UserError(
      'path-too-long',
      `${path} is too long for a socket.`,
      'Choose a shorter --data folder.',
    )
  }
  await clear(path)
  const sockets = new Set<Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    converse(socket, { obey, log })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o660)
  return {
    close: async () => {
      // An answer that is on its way gets there.
      for (const socket of sockets) socket.destroySoon()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Takes away what a killed proxy left, never the socket of a living one. */
async function clear(path: string): Promise<void> {
  const alive = await new Promise<boolean>(resolve => {
    const socket = net.connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
  if (alive) {
    throw new UserError('proxy-running', `A proxy runs already and answers at ${path}.`, 'Stop it first.')
  }
  await unlink(path).catch(error => {
    if (error.code !== 'ENOENT') throw error
  })
}

function converse(socket: Socket, { obey, log }: { obey: (request: Verb) => Promise<unknown>; log: Logger }) {
  let greeted = false
  const say = (answer: Framed<Answer>) => socket.writable && socket.write(frame(answer))

  socket.on('error', error => log.warn(`the control connection ended: ${messageOf(error)}`))
  readFrames(socket, message => {
    const { id, ...request } = requestOf(message)
    if (request.verb === 'hello') {
      greeted = request.version === wireVersion
      say(greeted ? { id, ok: true } : { id, ok: false, error: `this proxy speaks version ${wireVersion}` })
      if (!greeted) socket.end()
      return
    }
    if (!greeted) throw new Error('it did not begin with hello')
    obey(request).then(
      value => say({ id, ok: true, value }),
      error => {
        log.error({ err: error }, `${request.verb} failed`)
        say({ id, ok: false, error: messageOf(error) })
      },
    )
  })
}
