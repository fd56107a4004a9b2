import { openSocket, orNoHttps } from '../listen.ts'
import type { Logger } from '../log.ts'
import type { Listen, Settings } from '../settings.ts'

export interface HeldSockets {
  readonly http: Held
  /** Undefined where none could be had: then nothing is served over TLS. */
  readonly https: Held | undefined
}

interface Held {
  readonly fd: number
  close(): void
}

/** The inherited sockets, or our own: while we hold them, connections wait in the kernel until there is a worker again. */
export function takeSockets(settings: Settings, log: Logger): HeldSockets {
  const { httpListen, httpsListen, inherited } = settings
  return {
    http: take('http', httpListen, inherited),
    https: httpsListen && orNoHttps(() => take('https', httpsListen, inherited), log),
  }
}

function take(name: 'http' | 'https', listen: Listen, inherited: Settings['inherited']): Held {
  const fd = inherited[name]
  return fd === undefined ? openSocket(listen, { flag: `${name}-listen` }) : { fd, close: () => {} }
}
