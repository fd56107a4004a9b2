import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

import { hostnamesOf, urlsOf } from '../core/domains.ts'
import type { Rooms } from '../core/rooms.ts'
import type { Crossing } from '../edge/wire.ts'
import type { App, Call } from '../types.ts'
import { siteIn } from './site.ts'
import { defaultInterface } from './subnet.ts'

/** The end of a push: a URL that works, or which DNS record is missing. */
export async function announce(app: App, call: Call, rooms: Rooms): Promise<void> {
  const { out } = call
  if (!isServed(app, rooms)) {
    return out.headline(`${app.name} is deployed; no web process runs`)
  }
  const hostnames = hostnamesOf(app.name, rooms.store).filter(each => !each.startsWith('*.'))
  if (hostnames.length === 0) {
    out.headline(`${app.name} is deployed, but no domain leads to it`)
    return out.detail(`Add one with: domains:add ${app.name} DOMAIN`)
  }
  out.headline(`${app.name} is deployed:`)
  for (const url of urlsOf(app.name, rooms)) out.detail(url)
  const advice = await Promise.all(hostnames.map(dnsAdvice))
  for (const line of advice.flat()) out.detail(line)
}

/** What became of the requests that came while the proxy changed over to another release; nothing where none did. */
export async function receipt(app: App, { out }: Call, { edge, log }: Rooms): Promise<void> {
  const crossing = await edge.crossing(app.name).catch((err: unknown) => {
    // The release is live, whether the proxy can tell of it or not.
    log.warn({ err, app: app.name }, 'what became of requests during the switch is not known')
    return undefined
  })
  if (crossing && crossing.requests + crossing.underWay > 0) out.step(receiptOf(crossing))
}

export function receiptOf({ requests, lost, errors, slowestMs, underWay, byRelease }: Crossing): string {
  const shares = Object.entries(byRelease).map(([release, count]) => `${count} by release ${release}`)
  const told = [
    lost === 0 ? 'none failed' : `${lost} failed`,
    ...(errors === 0 ? [] : [`${errors} answered with 5xx`]),
    ...(requests === 0
      ? []
      : [
          `slowest ${slowestMs < 10_000 ? `${Math.ceil(slowestMs)} ms` : `${Math.round(slowestMs / 1000)} s`}`,
        ]),
    ...(underWay === 0 ? [] : [`${underWay} still under way`]),
  ]
  const served = shares.length > 1 ? ` (${shares.join(', ')})` : ''
  return `${requests} ${requests === 1 ? 'request' : 'requests'} across the switch${served}: ${told.join(', ')}`
}

function isServed(app: App, { store }: Rooms): boolean {
  const live = store.releases.live(app.name)
  if (live && siteIn(live.image) !== undefined) return true
  return store.containers.of(app.name).some(each => each.process === 'web' && each.state === 'wanted')
}

/** Nothing when the name leads here. The lookup is the host's own, at most 3 s. */
async function dnsAdvice(hostname: string): Promise<string[]> {
  if (hostname.endsWith('.localhost')) return [] // Loopback for browsers and curl, whatever the resolver says (RFC 6761, 6.3).
  const own = ownAddresses()
  const found = await Promise.race([addressesOf(hostname), timeout(3_000)])
  if (found.some(each => own.has(each) || each.startsWith('127.') || each === '::1')) return []
  const record = `${hostname}. A ${publicAddress() ?? 'the address of this host'}`
  if (found.length === 0) return [`${hostname} has no address yet. Add this DNS record: ${record}`]
  return [
    `${hostname} leads to ${found.join(', ')}. Unless a proxy or router there forwards to this host, change its DNS record: ${record}`,
  ]
}

async function addressesOf(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true }).catch(() => [])
  return found.map(each => each.address)
}

function timeout(ms: number): Promise<string[]> {
  return new Promise(resolve => setTimeout(() => resolve([]), ms).unref())
}

function ownAddresses(): Set<string> {
  return new Set(interfaces().map(each => each.address))
}

/** Of the interface that the default route leaves by: the others may be apps' networks. */
function publicAddress(): string | undefined {
  const name = defaultInterface(readFileSync('/proc/net/route', 'utf8'))
  return networkInterfaces()[name ?? '']?.find(each => each.family === 'IPv4')?.address
}

function interfaces() {
  return Object.values(networkInterfaces()).flatMap(each => each ?? [])
}
