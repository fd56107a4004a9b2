import type { IncomingMessage, ServerResponse } from 'node:http'

import { trailerFields, upstreamFields } from './fields.ts'

/** False when the upstream's head cannot be said in HTTP. */
export function passAnswer(
  answer: IncomingMessage,
  { res, id }: { res: ServerResponse; id: string },
): boolean {
  try {
    const fields = [...upstreamFields(answer.rawHeaders), 'X-Request-Id', id]
    res.writeHead(answer.statusCode!, answer.statusMessage, fields)
  } catch {
    return false
  }
  let flowing = false
  answer.once('data', () => {
    flowing = true
  })
  answer.on('error', () => cut(res))
  answer.once('close', () => answer.complete || cut(res))
  answer.once('end', () => addTrailers(res, answer.rawTrailers))
  answer.pipe(res)
  // A stream of events sends its head long before its first event.
  setImmediate(() => flowing || res.writableEnded || res.destroyed || res.flushHeaders())
  return true
}

function addTrailers(res: ServerResponse, raw: readonly string[]) {
  if (raw.length > 0 && res.chunkedEncoding) res.addTrailers(trailerFields(raw))
}

/** 103, for clients that know it (RFC 8297). */
export function earlyHints(res: ServerResponse, raw: readonly string[]) {
  const links = raw.filter((_, at) => at % 2 === 1 && raw[at - 1]!.toLowerCase() === 'link')
  try {
    if (links.length > 0) res.writeEarlyHints({ link: links })
  } catch {
    // Hints that Node cannot read are left out; the answer itself follows.
  }
}

/** Breaks the answer off so that the client sees it is not whole. HTTP/1.0 may take a plain end for the end of the body. */
export function cut(res: ServerResponse) {
  if (res.req.httpVersionMinor === 0) res.socket?.resetAndDestroy()
  res.destroy()
}
