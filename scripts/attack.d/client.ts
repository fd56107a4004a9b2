import net from 'node:net'

import type { Speech } from './cases.ts'
import { type Heard, readAnswers, readRequests } from './reader.ts'

/** What a client of bare sockets said, ought to have been understood to say, and heard. */
export interface Talk extends Speech {
  readonly understood: Heard
  readonly heard: string
  /** closed: by the other side · left: by us, for the last request is not whole · hung: nothing came any more that ought to. */
  readonly end: 'closed' | 'left' | 'hung'
}

/** After this long without a byte an answer is not coming. */
const patienceMs = 4_000
/** How long an unfinished request is kept open after all that could be answered is. */
const lingerMs = 15

export function talk(port: number, speech: Speech): Promise<Talk> {
  const understood = readRequests(speech.pieces.join(''))
  const methods = understood.requests.map(({ method }) => method)
  const answerable = understood.requests.filter(({ whole }) => whole).length
  return new Promise(resolve => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    let heard = ''
    let leaving: NodeJS.Timeout | undefined
    const end = (kind: Talk['end']) => {
      socket.destroy()
      clearTimeout(leaving)
      resolve({ ...speech, understood, heard, end: kind })
    }
    const look = () => {
      if (understood.end.kind !== 'more' || leaving) return
      if (
        readAnswers(heard, methods, { closed: false }).answers.filter(each => each.whole).length < answerable
      )
        return
      leaving = setTimeout(end, lingerMs, 'left')
    }
    socket.setTimeout(patienceMs, () => end('hung'))
    socket.on('error', () => {})
    socket.on('close', () => end('closed'))
    socket.on('data', chunk => {
      heard += chunk.toString('latin1')
      look()
    })
    socket.once('connect', () => {
      say(speech.pieces)
      look()
    })
    function say([piece, ...rest]: readonly string[]) {
      if (piece === undefined || socket.destroyed) return
      socket.write(Buffer.from(piece, 'latin1'), () => setImmediate(say, rest))
    }
  })
}
