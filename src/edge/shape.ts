import { isIP } from 'node:net'
import { isAbsolute, normalize } from 'node:path'

import type { AppName, Route, Upstream } from '../types.ts'
import type { Answer, Framed, Request } from './wire.ts'

/** What came over the wire or from a file as what it ought to be, copied field by field; throws an Error that says what is wrong. */

export function requestOf(value: unknown): Framed<Request> {
  const message = objectOf(value, 'message')
  const id = wholeOf(message.id, 'id', Number.MAX_SAFE_INTEGER)
  switch (message.verb) {
    case 'hello':
      return { id, verb: 'hello', version: wholeOf(message.version, 'version', 1e6) }
    case 'sync':
      return { id, verb: 'sync', routes: routesOf(message.routes) }
    case 'point':
      return { id, verb: 'point', route: routeOf(message.route) }
    case 'forget':
      return { id, verb: 'forget', app: appOf(message.app) }
    case 'drain':
      return {
        id,
        verb: 'drain',
        upstreams: listOf(message.upstreams, 'upstreams').map(name => textOf(name, 'upstream', 300)),
        timeoutMs: wholeOf(message.timeoutMs, 'timeoutMs', 24 * 3600 * 1000),
      }
    case 'stats':
      return { id, verb: 'stats' }
    default:
      throw new Error('the verb is unknown')
  }
}

export function answerOf(value: unknown): Framed<Answer> {
  const message = objectOf(value, 'message')
  const id = wholeOf(message.id, 'id', Number.MAX_SAFE_INTEGER)
  if (message.ok === true) return { id, ok: true, value: message.value }
  if (message.ok === false) return { id, ok: false, error: textOf(message.error, 'error', 10_000) }
  throw new Error('ok is missing')
}

export function routesOf(value: unknown): readonly Route[] {
  return listOf(value, 'routes').map(routeOf)
}

function routeOf(value: unknown): Route {
  const route = objectOf(value, 'route')
  const domains = Object.keys(objectOf(route.domains, 'domains')).map(name => [domainOf(name), true] as const)
  const upstreams = Object.entries(objectOf(route.upstreams, 'upstreams')).map(
    ([name, upstream]) => [textOf(name, 'container', 300), upstreamOf(upstream)] as const,
  )
  return {
    app: appOf(route.app) as AppName,
    domains: Object.fromEntries(domains),
    upstreams: Object.fromEntries(upstreams),
    ...(route.files === undefined ? {} : { files: folderOf(route.files) }),
  }
}

function folderOf(value: unknown): string {
  const path = textOf(value, 'files', 4096)
  if (!isAbsolute(path) || normalize(path) !== path || path.includes('\0'))
    throw new Error('files are no folder')
  return path
}

function upstreamOf(value: unknown): Upstream {
  const { host, port } = objectOf(value, 'upstream')
  if (typeof host !== 'string' || !isIP(host)) throw new Error('an upstream is not an address')
  if (port === 0) throw new Error('an upstream has no port')
  return { host, port: wholeOf(port, 'port', 65_535) }
}

function appOf(value: unknown): string {
  const name = textOf(value, 'app', 100)
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) throw new Error('an app has no name')
  return name
}

function domainOf(name: string): string {
  if (name.length <= 253 && /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)) return name
  if (isIP(name)) return name
  throw new Error('a domain is not a lower-case hostname')
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new Error(`${name} is not an object`)
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new Error(`${name} is not a list`)
}

function textOf(value: unknown, name: string, longest: number): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= longest) return value
  throw new Error(`${name} is not a text of at most ${longest}`)
}

function wholeOf(value: unknown, name: string, most: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number
  throw new Error(`${name} is not a whole number up to ${most}`)
}
