import { execFile } from 'node:child_process'
import { Socket } from 'node:net'
import { promisify } from 'node:util'

import type { Settings } from '../settings.ts'

/** Whoever keeps this proxy running: `davit up`, systemd, or nobody. */
export interface Supervisor {
  /** To be handed to a successor; undefined: there is none of ours. */
  readonly fd: number | undefined
  /** Calls back when it is gone. */
  whenGone(listener: () => void): void
  /** From now on another process is what it keeps running. */
  succeeded(pid: number): Promise<void>
}

/** `up` holds the other end of a channel, whose end it takes for ours. A proxy that has succeeded another has it under a name. */
export function findSupervisor({ inherited, succeeds, notify }: Settings): Supervisor {
  if (inherited.supervisor !== undefined) return overSocket(inherited.supervisor)
  // The channel comes behind the sockets.
  if (!succeeds && process.connected) return overChannel(3 + Object.keys(inherited).length)
  return {
    fd: undefined,
    whenGone: () => undefined,
    succeeded: async pid => {
      if (notify === undefined) return
      // sd_notify(3). Node has no datagram sockets in the file system.
      await promisify(execFile)('systemd-notify', [`MAINPID=${pid}`], {
        env: { NOTIFY_SOCKET: notify, PATH: '/usr/bin:/bin' },
      })
    },
  }
}

function overChannel(fd: number): Supervisor {
  return {
    fd,
    whenGone: listener => void process.on('disconnect', listener),
    succeeded: pid =>
      new Promise((resolve, reject) => {
        process.send!({ successor: pid }, undefined, undefined, error => (error ? reject(error) : resolve()))
      }),
  }
}

/** What Node says over a channel is lines of JSON. */
function overSocket(fd: number): Supervisor {
  const link = new Socket({ fd, readable: true, writable: true })
  link.on('error', () => undefined)
  link.resume()
  return {
    fd,
    whenGone: listener => void link.once('close', listener),
    succeeded: pid =>
      new Promise((resolve, reject) => {
        link.write(`${JSON.stringify({ successor: pid })}\n`, error => (error ? reject(error) : resolve()))
      }),
  }
}
