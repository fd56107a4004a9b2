import { validateHeaderName, validateHeaderValue } from 'node:http'
import { isIP } from 'node:net'
import { isAbsolute, normalize } from 'node:path'

import type {
  Addresses,
  AppName,
  Canary,
  Redirect,
  Route,
  RouteLimits,
  RouteMount,
  RoutePort,
  Upstream,
} from '../types.ts'
import { passwordHash } from './password.ts'
import { mapOf, objectOf, oneOf, textOf, wholeOf, yesOrNo } from './values.ts'

/** A route as it came over the wire or from the snapshot, copied field by field; throws an Error that says what is wrong. */
export function routeOf(value: unknown): Route {
  const route = objectOf(value, 'route')
  const read = <T>(key: keyof Route, as: (value: unknown) => T) =>
    route[key] === undefined ? {} : { [key]: as(route[key]) }
  return {
    app: appOf(route.app) as AppName,
    domains: mapOf(route.domains, 'domains', name => [domainOf(name), true]),
    upstreams: upstreamsOf(route.upstreams),
    ...read('files', folderOf),
    ...read('release', number => wholeOf(number, 'release', 1e9)),
    ...read('protocol', protocol => oneOf(protocol, 'protocol', ['http', 'grpc'])),
    ...read('redirects', each => mapOf(each, 'redirects', (name, to) => [domainOf(name), redirectOf(to)])),
    ...read('auth', authOf),
    ...read('lists', listsOf),
    ...read('headers', headersOf),
    ...read('maintenance', maintenanceOf),
    ...read('pages', pages =>
      mapOf(pages, 'pages', (status, html) => [statusOf(status), textOf(html, 'page', longestPage)]),
    ),
    ...read('limits', limitsOf),
    ...read('rate', rateOf),
    ...read('compress', compress => yesOrNo(compress, 'compress')),
    ...read('https', httpsOf),
    ...read('sticky', sticky => yesOrNo(sticky, 'sticky')),
    ...read('health', health => pathOf(health, 'health')),
    ...read('canary', canaryOf),
    ...read('log', log => oneOf(log, 'log', ['json', 'combined', 'off'])),
    ...read('mounts', mounts => mapOf(mounts, 'mounts', (path, to) => [pathOf(path, 'mount'), mountOf(to)])),
    ...read('ports', ports => mapOf(ports, 'ports', (port, to) => [portOf(port), routePortOf(to)])),
  } as Route
}

const longestPage = 1024 * 1024

export function appOf(value: unknown): string {
  const name = textOf(value, 'app', 100)
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) throw new Error('an app has no name')
  return name
}

function folderOf(value: unknown): string {
  const path = textOf(value, 'files', 4096)
  if (!isAbsolute(path) || normalize(path) !== path || path.includes('\0'))
    throw new Error('files are no folder')
  return path
}

function upstreamsOf(value: unknown): Route['upstreams'] {
  return mapOf(value, 'upstreams', (name, upstream) => [textOf(name, 'container', 300), upstreamOf(upstream)])
}

function upstreamOf(value: unknown): Upstream {
  const { host, port } = objectOf(value, 'upstream')
  if (typeof host !== 'string' || !isIP(host)) throw new Error('an upstream is not an address')
  if (port === 0) throw new Error('an upstream has no port')
  return { host, port: wholeOf(port, 'port', 65_535) }
}

export function domainOf(name: string): string {
  if (name.length <= 253 && /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)) return name
  if (isIP(name)) return name
  throw new Error('a domain is not a lower-case hostname')
}

function redirectOf(value: unknown): Redirect {
  const { to, status } = objectOf(value, 'redirect')
  const target = textOf(to, 'redirect', 2000)
  if (!/^[\x21-\x7e]+$/.test(target)) throw new Error('a redirect leads nowhere')
  return { to: target, status: oneOf(status, 'status', [301, 302, 303, 307, 308]) }
}

function authOf(value: unknown): NonNullable<Route['auth']> {
  const { realm, users, allowed } = objectOf(value, 'auth')
  return {
    realm: textOf(realm, 'realm', 200),
    users: mapOf(users, 'users', (name, hash) => [textOf(name, 'user', 200), hashOf(hash)]),
    ...(allowed === undefined ? {} : { allowed: addressesOf(allowed) }),
  }
}

function hashOf(value: unknown): string {
  const text = textOf(value, 'hash', 500)
  passwordHash(text)
  return text
}

function listsOf(value: unknown): NonNullable<Route['lists']> {
  const { allow, deny } = objectOf(value, 'lists')
  return {
    ...(allow === undefined ? {} : { allow: addressesOf(allow) }),
    ...(deny === undefined ? {} : { deny: addressesOf(deny) }),
  }
}

function addressesOf(value: unknown): Addresses {
  return mapOf(value, 'addresses', each => [networkOf(each), true])
}

/** An address, or a network in CIDR form. */
export function networkOf(text: string): string {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  if (family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128)) return text
  throw new Error(`${text} is no address`)
}

function headersOf(value: unknown): Readonly<Record<string, string>> {
  return mapOf(value, 'headers', (name, text) => {
    validateHeaderName(name)
    if (ofFraming.has(name.toLowerCase())) throw new Error(`${name} is for the proxy alone to say`)
    if (typeof text !== 'string') throw new Error(`the field ${name} is not a text`)
    validateHeaderValue(name, text)
    return [name, text]
  })
}

/** Fields that say how a message is sent, not what is in it. */
const ofFraming: ReadonlySet<string> = new Set([
  ...['connection', 'content-length', 'keep-alive', 'proxy-connection', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade'],
])

function maintenanceOf(value: unknown): NonNullable<Route['maintenance']> {
  const { page, allowed } = objectOf(value, 'maintenance')
  return {
    ...(page === undefined ? {} : { page: textOf(page, 'page', longestPage) }),
    ...(allowed === undefined ? {} : { allowed: addressesOf(allowed) }),
  }
}

function statusOf(text: string): string {
  if (/^[45]\d\d$/.test(text)) return text
  throw new Error(`${text} is no status of an error`)
}

function limitsOf(value: unknown): RouteLimits {
  const limits = objectOf(value, 'limits')
  const most = { bodyBytes: 2 ** 50, perUpstream: 1e6, queue: 1e6 }
  return mapOf(limits, 'limits', (key, each) => {
    oneOf(key, 'a limit', limitNames)
    return [key, wholeOf(each, key, most[key as keyof typeof most] ?? 7 * 24 * 3600 * 1000)]
  })
}

const limitNames = [
  ...['bodyBytes', 'connectMs', 'answerMs', 'idleMs', 'bodyIdleMs'],
  ...['perUpstream', 'queue', 'queueMs'],
]

function rateOf(value: unknown): NonNullable<Route['rate']> {
  const { requests, seconds, burst } = objectOf(value, 'rate')
  if (requests === 0 || seconds === 0) throw new Error('a rate of nothing')
  return {
    requests: wholeOf(requests, 'requests', 1e9),
    seconds: wholeOf(seconds, 'seconds', 1e6),
    burst: wholeOf(burst, 'burst', 1e9),
  }
}

function httpsOf(value: unknown): NonNullable<Route['https']> {
  const { redirect, hsts } = objectOf(value, 'https')
  if (hsts === undefined) return { redirect: yesOrNo(redirect, 'redirect') }
  const { maxAge, includeSubdomains, preload } = objectOf(hsts, 'hsts')
  return {
    redirect: yesOrNo(redirect, 'redirect'),
    hsts: {
      maxAge: wholeOf(maxAge, 'maxAge', 1e9),
      includeSubdomains: yesOrNo(includeSubdomains, 'includeSubdomains'),
      preload: yesOrNo(preload, 'preload'),
    },
  }
}

function canaryOf(value: unknown): Canary {
  const { percent, release, upstreams } = objectOf(value, 'canary')
  return {
    percent: wholeOf(percent, 'percent', 100),
    release: wholeOf(release, 'release', 1e9),
    upstreams: upstreamsOf(upstreams),
  }
}

function pathOf(value: unknown, name: string): string {
  const path = textOf(value, name, 1000)
  if (/^\/[\x21-\x7e]*$/.test(path)) return path
  throw new Error(`${name} is no path`)
}

function mountOf(value: unknown): RouteMount {
  const { files, plugin, socket, open } = objectOf(value, 'mount')
  const isOpen = open === undefined ? {} : { open: yesOrNo(open, 'open') }
  if (files !== undefined) return { files: folderOf(files), ...isOpen }
  return { plugin: textOf(plugin, 'plugin', 100), socket: folderOf(socket), ...isOpen }
}

function portOf(text: string): string {
  if (/^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536) return text
  throw new Error(`${text} is no port`)
}

function routePortOf(value: unknown): RoutePort {
  const { scheme, upstreams } = objectOf(value, 'port')
  return {
    scheme: oneOf(scheme, 'scheme', ['http', 'https', 'grpc', 'grpcs', 'tcp']),
    upstreams: upstreamsOf(upstreams),
  }
}
