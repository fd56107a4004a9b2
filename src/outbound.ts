import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

import { Cancelled, UserError } from './errors.ts'

/** Where a URL leads: looked up once and found to be allowed. Whoever connects goes to these addresses and looks nothing up again. */
export interface Destination {
  readonly url: URL
  readonly port: number
  /** IPv4 and IPv6, bare. */
  readonly addresses: readonly string[]
}

/**
 * Answers where a URL that somebody else wrote leads: https anywhere on the public internet; http too, to networks that an admin
 * allowed. UserErrors `url-scheme`, `url-local`, `url-plain`, `no-address`; Cancelled.
 */
export type Reach = (url: URL, options: { signal: AbortSignal }) => Promise<Destination>

export interface OutboundOptions {
  /** Networks that are not public and may be gone to all the same, as `10.1.0.0/16`. */
  readonly allowed: readonly string[]
  readonly find?: (host: string) => Promise<readonly string[]>
}

export function createOutbound({ allowed, find = addressesOf }: OutboundOptions): Reach {
  const permitted = blockList(allowed)
  return async (url, { signal }) => {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw wrongScheme(url)
    const addresses = await resolved(host, find, signal)
    const local = addresses.filter(each => !isPublic(each))
    const refused = local.find(each => !contains(permitted, each))
    if (refused) throw isLocal(host, refused)
    if (url.protocol === 'http:' && local.length < addresses.length) throw isPlain(url)
    return { url, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80), addresses }
  }
}

const lookupMs = 10_000

async function resolved(
  host: string,
  find: (host: string) => Promise<readonly string[]>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(lookupMs)])
  const stopped = Promise.withResolvers<never>()
  const end = () => stopped.reject(signal.aborted ? new Cancelled() : noAddress(host))
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  try {
    const found = isIP(host) ? [host] : await Promise.race([find(host), stopped.promise])
    // A link-local address may carry the name of an interface.
    const addresses = found.map(each => each.replace(/%.*$/, ''))
    if (addresses.length === 0 || !addresses.every(isIP)) throw noAddress(host)
    return addresses
  } finally {
    stop.removeEventListener('abort', end)
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true }).catch((cause: unknown) => {
    throw noAddress(host, cause)
  })
  return found.map(each => each.address)
}

// What is public ------------------------------------------------------------------------------------------

/** On the public internet, and not this host itself. */
export function isPublic(address: string): boolean {
  const inside = embedded(address)
  if (inside) return isPublic(inside)
  if (isOwn(address)) return false
  if (isIP(address) === 4) return !contains(special, address)
  return contains(unicast, address) && !contains(special, address)
}

/** Networks for particular purposes (RFC 6890 and IANA's registries), multicast, and what clouds answer their guests at. */
const special = blockList([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15'],
  ...['198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3', '168.63.129.16/32'],
  // Teredo and 6to4 carry IPv4 addresses of any kind.
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
])

/** All that is given out of IPv6 (RFC 4291, 2.4): loopback, link-local, unique-local and the rest lie outside. */
const unicast = blockList(['2000::/3'])

/** The IPv4 address in a mapped one (`::ffff:a.b.c.d`), or in one that a NAT64 translates (RFC 6052). */
function embedded(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined
  const { hostname } = new URL(`http://[${address}]`)
  const [, high, low] = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? []
  if (high === undefined || low === undefined) return undefined
  const [one, two] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [one >> 8, one & 255, two >> 8, two & 255].join('.')
}

/** A firewall may keep from others what the host itself could reach at its own address. */
function isOwn(address: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  return own.some(each => each.address === address)
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address, bits] = network.split('/') as [string, string]
    list.addSubnet(address, Number(bits), family(address))
  }
  return list
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, family(address))
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}

// What is wrong -------------------------------------------------------------------------------------------

function wrongScheme({ protocol }: URL): UserError {
  return new UserError('url-scheme', `Nothing is fetched over ${protocol}//.`, 'Use an https:// address.')
}

function isLocal(host: string, address: string): UserError {
  const bits = isIP(address) === 6 ? 128 : 32
  return new UserError(
    'url-local',
    host === address
      ? `${address} is not on the public internet.`
      : `${host} leads to ${address}, which is not on the public internet.`,
    `An admin of this host can allow it: DAVIT_ALLOW_LOCAL=${address}/${bits} in its settings.`,
  )
}

function isPlain({ host }: URL): UserError {
  return new UserError(
    'url-plain',
    `http://${host} is not encrypted, so anybody on the way could change what comes from there.`,
    'Use its https:// address.',
  )
}

function noAddress(host: string, cause?: unknown): UserError {
  return new UserError(
    'no-address',
    `${host} has no address that could be found.`,
    'See if the name is right.',
    {
      cause,
    },
  )
}
