import type { Socket } from 'node:net'
import { isIP } from 'node:net'

/** Where a connection came from, as the balancer before us says (the PROXY protocol, versions 1 and 2, haproxy's proxy-protocol.txt). */
export interface Preamble {
  /** Undefined: a connection of the balancer's own (a health check), or of a kind that has no addresses. */
  readonly from: { readonly address: string; readonly port: number } | undefined
  /** Bytes that it took. */
  readonly length: number
}

/** The longest of version 1 has 107 bytes; of version 2 no more is taken than any balancer sends. */
const longest = 4096
const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])

/** Undefined while it is not whole. Throws an Error when it is none. */
export function preambleOf(bytes: Buffer): Preamble | undefined {
  const head = bytes.subarray(0, signature.length)
  if (head.equals(signature.subarray(0, head.length))) {
    return head.length < signature.length ? undefined : second(bytes)
  }
  return first(bytes)
}

/** `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n` */
function first(bytes: Buffer): Preamble | undefined {
  const end = bytes.indexOf('\r\n')
  if (!'PROXY '.startsWith(bytes.toString('latin1', 0, 6)) || end > 105) throw new Error('no preamble')
  if (end === -1) {
    if (bytes.length > 107) throw new Error('the preamble does not end')
    return undefined
  }
  const [, kind, from, to, port, toPort, ...more] = bytes.toString('latin1', 0, end).split(' ')
  if (kind === 'UNKNOWN') return { from: undefined, length: end + 2 }
  const family = kind === 'TCP4' ? 4 : kind === 'TCP6' ? 6 : undefined
  const sound =
    family !== undefined &&
    isIP(from ?? '') === family &&
    isIP(to ?? '') === family &&
    isPort(port) &&
    isPort(toPort) &&
    more.length === 0
  if (!sound) throw new Error('the preamble cannot be read')
  return { from: { address: from!, port: Number(port) }, length: end + 2 }
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}

function second(bytes: Buffer): Preamble | undefined {
  if (bytes.length < 16) return undefined
  const [version, command, family] = [bytes[12]! >> 4, bytes[12]! & 0x0f, bytes[13]!]
  const size = bytes.readUInt16BE(14)
  const length = 16 + size
  if (version !== 2 || command > 1 || length > longest) throw new Error('the preamble cannot be read')
  if (bytes.length < length) return undefined
  // LOCAL, or addresses of no internet family.
  if (command === 0 || (family !== 0x11 && family !== 0x21)) return { from: undefined, length }
  if (size < (family === 0x11 ? 12 : 36)) throw new Error('the preamble is too short')
  if (family === 0x11) {
    const address = [...bytes.subarray(16, 20)].join('.')
    return { from: { address, port: bytes.readUInt16BE(24) }, length }
  }
  const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(16 + at * 2).toString(16))
  return { from: { address: shortest(words), port: bytes.readUInt16BE(48) }, length }
}

/** As Node writes addresses (RFC 5952). */
function shortest(words: readonly string[]): string {
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1)
}

/**
 * Reads the preamble off a fresh connection and calls back with it; what follows it stays to be read. A connection that brings none in
 * time, or something else, is ended.
 */
export function takePreamble(
  socket: Socket,
  { timeoutMs }: { timeoutMs: number },
  then: (preamble: Preamble) => void,
): void {
  let bytes = Buffer.alloc(0)
  const end = () => socket.destroy()
  const late = setTimeout(end, timeoutMs)
  const read = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read()) {
      bytes = Buffer.concat([bytes, chunk])
    }
    let preamble: Preamble | undefined
    try {
      preamble = preambleOf(bytes)
    } catch {
      quit()
      return end()
    }
    if (!preamble) return
    quit()
    socket.pause()
    if (bytes.length > preamble.length) socket.unshift(bytes.subarray(preamble.length))
    then(preamble)
  }
  const quit = () => {
    clearTimeout(late)
    socket.off('readable', read).off('error', end).off('close', quit)
  }
  socket.on('readable', read).on('error', end).on('close', quit)
}
