import type { Socket } from 'node:net'

import type { Connection } from 'ssh2'

import { openFlow } from './flow.ts'
import type { FrontDoor, Limits } from './front.ts'
import { boundPackets, exchangesKeys } from './inside.ts'
import { login } from './login.ts'
import { type Attended, attend } from './session.ts'

/** One client from its first words on. */
export interface Visitor {
  /** Takes no new sessions; settles when the running ones have ended. */
  finish(): Promise<void>
  end(): void
}

export interface Reception extends Pick<FrontDoor, 'findIdentity' | 'run' | 'log'> {
  readonly limits: Limits
  readonly signedIn: () => void
}

export function receive(client: Connection, socket: Socket, reception: Reception): Visitor {
  // Before anything else: an error nobody listens to ends the process.
  client.on('error', error => expel(error.message))
  const { limits, findIdentity, run } = reception
  const log = reception.log.child({ from: socket.remoteAddress })
  const sessions = new Set<Attended>()
  const flow = openFlow(client, socket, limits)
  let fingerprint: string | undefined
  let isFinishing = false
  let isOver = false
  let isExpelled = false

  const identify = () => (isOver || fingerprint === undefined ? undefined : findIdentity(fingerprint))
  const lose = () => {
    isOver = true
    for (const session of sessions) session.lose()
  }
  const expel = (reason: string) => {
    if (isExpelled) return
    isExpelled = true
    log.debug({ reason }, 'a connection is ended')
    lose()
    hangUp(client, socket)
  }
  login(client, {
    findIdentity,
    tries: limits.authenticationTries,
    verified: signer => {
      fingerprint = signer
    },
    tooMany: () => expel('too many attempts to sign in'),
  })
  client.on('ready', () => {
    reception.signedIn()
    watch({ client, socket, limits, expel, moves: flow.moves, isKnown: () => identify() !== undefined })
  })
  client.on('end', lose)
  client.on('close', lose)
  client.on('rekey', () => {
    if (!fingerprint) expel('keys exchanged again before signing in')
  })
  client.on('session', (accept, reject) => {
    if (isOver || isFinishing || sessions.size >= limits.sessionsPerConnection) return reject()
    const asking = accept()
    if (!boundPackets(asking)) return expel('an absurd packet size')
    const session = attend(asking, { identify, run, flow, log, expel })
    sessions.add(session)
    asking.on('close', () => sessions.delete(session))
  })
  return {
    async finish() {
      isFinishing = true
      await Promise.all([...sessions].map(session => session.ended()))
    },
    end: () => expel('the server stops'),
  }
}

const farewellMs = 1000

// ssh2 says goodbye and waits; after its own fatal errors its timers would throw, so the socket does not outlive this second.
function hangUp(client: Connection, socket: Socket): void {
  if (socket.destroyed) return
  try {
    client.end()
  } catch {
    socket.destroy()
  }
  const timer = setTimeout(() => socket.destroy(), farewellMs)
  socket.once('close', () => clearTimeout(timer))
}

interface Watched {
  readonly client: Connection
  readonly socket: Socket
  readonly limits: Limits
  readonly expel: (reason: string) => void
  readonly moves: (now: number) => boolean
  /** Its key may still come in. */
  readonly isKnown: () => boolean
}

const exchangeMs = 30_000

/**
 * From the login on: new keys in time (RFC 4253 9), and no client that stopped reading, stalls an exchange of keys, or whose own key was
 * removed meanwhile, by whatever way.
 */
function watch({ client, socket, limits, expel, moves, isKnown }: Watched): void {
  let renewedAt = Date.now()
  let renewedBytes = 0
  let exchangingSince: number | undefined
  const bytes = () => socket.bytesRead + socket.bytesWritten
  const renew = () => {
    if (exchangesKeys(client)) return
    if (bytes() - renewedBytes < limits.rekeyBytes && Date.now() - renewedAt < limits.rekeyMs) return
    client.rekey()
  }
  client.on('rekey', () => {
    renewedAt = Date.now()
    renewedBytes = bytes()
  })
  socket.on('data', renew)
  socket.on('drain', renew)
  const timer = setInterval(
    () => {
      const now = Date.now()
      exchangingSince = exchangesKeys(client) ? (exchangingSince ?? now) : undefined
      if (!isKnown()) expel('its key was removed')
      else if (exchangingSince !== undefined && now - exchangingSince > exchangeMs)
        expel('an exchange of keys stalls')
      else if (!moves(now)) expel('it reads nothing')
      else renew()
    },
    Math.min(1000, limits.idleWriteMs / 2, limits.rekeyMs),
  )
  socket.once('close', () => clearInterval(timer))
}
