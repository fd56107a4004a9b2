import { BlockList, isIP } from 'node:net'

import type { Origins } from './origins.ts'
import type { Visitor } from './visitor.ts'

/** What is known of where a request came from. */
export interface Origin {
  readonly client: string
  readonly scheme: 'http' | 'https'
  /** Whoever passed it on, the client first. */
  readonly chain: string
  /** The one that the client asked. */
  readonly port: number
}

/** Values of X-Forwarded-*, in the order they came in. */
export interface Hops {
  readonly for: readonly string[]
  readonly proto: readonly string[]
  readonly host: readonly string[]
}

/** `hops`: as proxies before us may have written them. */
export type Trust = (visitor: Visitor, hops: Hops | undefined) => Origin

/** Believes nobody but proxies at these addresses (CIDR). With none, what a client says of itself is replaced. */
export function trusting(proxies: readonly string[], origins?: Pick<Origins, 'find'>): Trust {
  const list = addressesOf(proxies)
  return (visitor, hops) => {
    const { peer } = visitor
    const { localPort } = peer
    // A proxy that passes connections on says whose each is: that one is the peer then.
    const address = origins?.find(peer) ?? peer.address
    if (list === undefined || hops === undefined || !list(address)) {
      return { client: address, scheme: visitor.scheme, chain: address, port: localPort }
    }
    const chain = hops.for.flatMap(each => each.split(',')).map(each => each.trim())
    const client = lastUntrusted(chain, list) ?? address
    const scheme =
      wordOf(hops.proto) === 'https' ? 'https' : wordOf(hops.proto) === 'http' ? 'http' : visitor.scheme
    const port = scheme === visitor.scheme ? localPort : scheme === 'https' ? 443 : 80
    return { client, scheme, chain: [...chain.filter(plain), address].join(', '), port }
  }
}

/** From the right: each proxy writes down whom it heard, so the first that is not ours is the client. */
function lastUntrusted(chain: readonly string[], trusted: (address: string) => boolean): string | undefined {
  for (const each of chain.toReversed()) {
    if (!isIP(each)) return undefined
    if (!trusted(each)) return each
  }
  return chain[0]
}

function wordOf(values: readonly string[]): string | undefined {
  return values.length === 1 ? values[0]!.trim().toLowerCase() : undefined
}

const plain = (text: string) => /^[\w.:[\]-]{1,64}$/.test(text)

/** Whether an address is among addresses or networks (CIDR); undefined when there are none. Throws on what is neither. */
export function addressesOf(list: readonly string[]): ((address: string) => boolean) | undefined {
  if (list.length === 0) return undefined
  const found = new BlockList()
  for (const each of list) {
    const [address = '', bits] = each.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (!isIP(address)) throw new Error(`${each} is no address`)
    if (bits === undefined) found.addAddress(address, family)
    else found.addSubnet(address, Number(bits), family)
  }
  return address => found.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
}

/** What counts as one client: whoever has one address of IPv6 has the whole /64. IPv4 within IPv6 is IPv4. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  if (address.includes('.')) return address.slice(address.lastIndexOf(':') + 1)
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail === undefined) return groups.slice(0, 4).join(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(8 - groups.length - after.length, 0) }, () => '0')
  return [...groups, ...zeros, ...after].slice(0, 4).join(':')
}
