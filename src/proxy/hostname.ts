import { domainToASCII } from 'node:url'

/**
 * The hostname in a Host field or an authority (RFC 9110 7.2): lower-case, without port and final dot, IDN as punycode.
 * Undefined when it is none. Bytes over 0x7f come as Node reads them, one character each.
 */
export function hostnameOf(host: string): string | undefined {
  // As nearly everybody writes it.
  if (plain.test(host) && host.length <= 253) return host
  const [, bracketed, name] =
    /^(?:\[([0-9a-fA-F:.]{2,45})\]|([^\s:/?#@[\]\\]{1,255}))(?::\d{0,5})?$/.exec(host) ?? []
  if (bracketed) return bracketed.toLowerCase()
  if (!name) return undefined
  const ascii = /^[\x21-\x7e]+$/.test(name) ? name.toLowerCase() : punycode(name)
  const bare = ascii.endsWith('.') ? ascii.slice(0, -1) : ascii
  return plain.test(bare) && bare.length <= 253 ? bare : undefined
}

const plain = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

function punycode(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8')
  return text.includes('\ufffd') ? '' : domainToASCII(text)
}

/** What stands under a hostname as hostnameOf made it: under itself first, then under the longest wildcard. */
export function findByHostname<T>(all: ReadonlyMap<string, T>, hostname: string): T | undefined {
  const own = all.get(hostname)
  if (own !== undefined) return own
  for (let dot = hostname.indexOf('.'); dot !== -1; dot = hostname.indexOf('.', dot + 1)) {
    const found = all.get(`*${hostname.slice(dot)}`)
    if (found !== undefined) return found
  }
  return undefined
}
