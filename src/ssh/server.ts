import { type AddressInfo, createServer, type Server as Listener, type Socket } from 'node:net'

import ssh2, { type Algorithms, type KexAlgorithm } from 'ssh2'

import { openAdmission } from './admission.ts'
import { receive, type Visitor } from './connection.ts'
import type { FrontDoor, Limits, SshServer } from './front.ts'
import { socketOf } from './inside.ts'

/** Opens the front door. Rejects with the system's error when the address cannot be listened on. */
export async function serveSsh(door: FrontDoor): Promise<SshServer> {
  const limits = { ...usualLimits, ...door.limits }
  const admission = openAdmission(limits)
  const visitors = new Map<Socket, Visitor | undefined>()
  const graces = new WeakMap<Socket, NodeJS.Timeout>()
  const ssh = new ssh2.Server({ hostKeys: [door.hostKey], ident: 'Davit', algorithms, ...keepalive })
  ssh.on('connection', client => {
    const socket = socketOf(client)
    const signedIn = () => {
      clearTimeout(graces.get(socket))
      admission.signedIn(socket)
    }
    visitors.set(socket, receive(client, socket, { ...door, limits, signedIn }))
  })
  // A listener of our own, because ssh2's tells of a connection only after the client's first line.
  const listener = createServer({ noDelay: true, keepAlive: true }, socket => {
    socket.on('error', () => {})
    if (!admission.admit(socket)) return socket.destroy()
    const grace = setTimeout(() => socket.destroy(), limits.loginGraceMs)
    graces.set(socket, grace)
    visitors.set(socket, undefined)
    socket.once('close', () => {
      clearTimeout(grace)
      visitors.delete(socket)
    })
    ssh.injectSocket(socket)
  })
  await listening(listener, door.listen)
  listener.on('error', error => door.log.error({ err: error }, 'the SSH listener failed'))
  return {
    port: (listener.address() as AddressInfo | null)?.port ?? 0,
    close: ({ graceMs }) => close(listener, visitors, graceMs),
  }
}

const usualLimits: Limits = {
  loginGraceMs: 20_000,
  authenticationTries: 6,
  sessionsPerConnection: 16,
  connections: 512,
  pendingPerAddress: 20,
  idleWriteMs: 120_000,
  rekeyBytes: 1024 ** 3,
  rekeyMs: 60 * 60 * 1000,
}

const algorithms: Algorithms = {
  // The first comes with our patch; without it ssh2 refuses the list, and `scripts/prepare` was not run.
  kex: ['mlkem768x25519-sha256' as KexAlgorithm, 'curve25519-sha256', 'curve25519-sha256@libssh.org'],
  serverHostKey: ['ssh-ed25519'],
  // The client chooses, and OpenSSH's would choose ChaCha20: here that is WebAssembly, and the slowest by half. Every client has AES.
  cipher: ['aes256-gcm@openssh.com', 'aes128-gcm@openssh.com', 'aes256-ctr', 'aes128-ctr'],
  // The last one is for dropbear, which knows no other way.
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256'],
  compress: ['none'],
}

// A client that is gone without a word is noticed within two minutes.
const keepalive = { keepaliveInterval: 30_000, keepaliveCountMax: 3 }

function listening(listener: Listener, where: FrontDoor['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject)
    listener.listen('fd' in where ? { fd: where.fd } : { host: where.host, port: where.port }, () => {
      listener.off('error', reject)
      resolve()
    })
  })
}

async function close(
  listener: Listener,
  visitors: ReadonlyMap<Socket, Visitor | undefined>,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>(resolve => listener.close(() => resolve()))
  const open = [...visitors]
  const finished = Promise.all(open.map(([, visitor]) => visitor?.finish()))
  await within(graceMs, finished)
  for (const [socket, visitor] of open) visitor ? visitor.end() : socket.destroy()
  await closed
  await within(undoMs, finished)
}

// What a cancelled command may take to put things back before the server counts as closed.
const undoMs = 2000

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([
    work,
    new Promise(resolve => {
      timer = setTimeout(resolve, ms)
    }),
  ])
  clearTimeout(timer)
}
