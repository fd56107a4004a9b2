import { isIP } from 'node:net'

import { UserError } from '../errors.ts'

/** Networks that people may call by name where they list addresses. */
const known: Readonly<Record<string, readonly string[]>> = {
  /** https://www.cloudflare.com/ips/, as it has been since September 2023; read on 26 November 2026. */
  cloudflare: [
    ...['173.245.48.0/20', '103.21.244.0/22', '103.22.200.0/22', '103.31.4.0/22', '141.101.64.0/18'],
    ...['108.162.192.0/18', '190.93.240.0/20', '188.114.96.0/20', '197.234.240.0/22', '198.41.128.0/17'],
    ...['162.158.0.0/15', '104.16.0.0/13', '104.24.0.0/14', '172.64.0.0/13', '131.0.72.0/22'],
    ...['2400:cb00::/32', '2606:4700::/32', '2803:f800::/32', '2405:b500::/32', '2405:8100::/32'],
    ...['2a06:98c0::/29', '2c0f:f248::/32'],
  ],
  /** This host, and networks that no route of the internet leads to (RFC 1918, RFC 4193). */
  private: ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

const most = 1000

/**
 * Addresses and networks (CIDR) in one text, with commas or spaces between. `cloudflare` and `private` stand for many.
 * Throws UserError `bad-address`.
 */
export function readNetworks(text: string): readonly string[] {
  const words = text.split(/[\s,]+/).filter(Boolean)
  if (words.length === 0 || words.length > most)
    throw new UserError('bad-address', 'These are no addresses, or too many.')
  return words.flatMap(word => (Object.hasOwn(known, word) ? known[word]! : [readNetwork(word)]))
}

function readNetwork(word: string): string {
  const [, address = '', bits] = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(word) ?? []
  const family = isIP(address)
  if (family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128)) return word.toLowerCase()
  throw new UserError(
    'bad-address',
    `${JSON.stringify(word)} is no address.`,
    `Give addresses or networks, 192.0.2.7 or 10.0.0.0/8; ${Object.keys(known).join(' and ')} stand for theirs.`,
  )
}
