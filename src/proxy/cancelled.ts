import { addAbortSignal, Readable } from 'node:stream'

/**
 * A stream of HTTP/2 that is destroyed with this is reset with CANCEL (RFC 9113 7), with any other error as if something here were broken. Node
 * knows its own AbortError only, and does not give it out.
 */
export const cancelled = abortError()

function abortError(): Error {
  const nobody = new Readable({ read: () => undefined }).on('error', () => undefined)
  return addAbortSignal(AbortSignal.abort(), nobody).errored!
}
