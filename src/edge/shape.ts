import type { Certificate, Route } from '../types.ts'
import { appOf, domainOf, networkOf, routeOf } from './route.ts'
import { listOf, objectOf, textOf, wholeOf, yesOrNo } from './values.ts'
import type { Answer, EdgeOptions, Framed, Request } from './wire.ts'

/** What came over the wire or from a file as what it ought to be, copied field by field; throws an Error that says what is wrong. */

export function requestOf(value: unknown): Framed<Request> {
  const message = objectOf(value, 'message')
  const id = wholeOf(message.id, 'id', Number.MAX_SAFE_INTEGER)
  switch (message.verb) {
    case 'hello':
      return { id, verb: 'hello', version: wholeOf(message.version, 'version', 1e6) }
    case 'sync':
      return {
        id,
        verb: 'sync',
        routes: routesOf(message.routes),
        certificates: listOf(message.certificates, 'certificates').map(certificateOf),
        options: optionsOf(message.options),
        keep: listOf(message.keep, 'keep').map(appOf),
      }
    case 'options':
      return { id, verb: 'options', options: optionsOf(message.options) }
    case 'point':
      return { id, verb: 'point', route: routeOf(message.route) }
    case 'forget':
      return { id, verb: 'forget', app: appOf(message.app) }
    case 'certificate':
      return { id, verb: 'certificate', certificate: certificateOf(message.certificate) }
    case 'forgetCertificate':
      return { id, verb: 'forgetCertificate', name: textOf(message.name, 'name', longestName) }
    case 'rename':
      return { id, verb: 'rename', was: appOf(message.was), app: appOf(message.app) }
    case 'drain':
      return {
        id,
        verb: 'drain',
        upstreams: listOf(message.upstreams, 'upstreams').map(name => textOf(name, 'upstream', 300)),
        timeoutMs: wholeOf(message.timeoutMs, 'timeoutMs', 24 * 3600 * 1000),
        ...(message.websocketMs === undefined
          ? {}
          : { websocketMs: wholeOf(message.websocketMs, 'websocketMs', 24 * 3600 * 1000) }),
      }
    case 'pause':
      return {
        id,
        verb: 'pause',
        app: appOf(message.app),
        capMs: wholeOf(message.capMs, 'capMs', 3600 * 1000),
      }
    case 'resume':
      return { id, verb: 'resume', app: appOf(message.app) }
    case 'trial':
      return { id, verb: 'trial', app: appOf(message.app) }
    case 'crossing':
      return { id, verb: 'crossing', app: appOf(message.app) }
    case 'metrics':
      return { id, verb: 'metrics', ...(message.app === undefined ? {} : { app: appOf(message.app) }) }
    case 'stats':
      return { id, verb: 'stats' }
    case 'upgrade':
      return { id, verb: 'upgrade' }
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

export function optionsOf(value: unknown): EdgeOptions {
  const { trustedProxies, proxyProtocol } = objectOf(value, 'options')
  return {
    trustedProxies: listOf(trustedProxies, 'trustedProxies').map(each =>
      networkOf(textOf(each, 'network', 100)),
    ),
    proxyProtocol: yesOrNo(proxyProtocol, 'proxyProtocol'),
  }
}

const longestName = 300
const longestPem = 256 * 1024

/** Whether key and chain fit is for whoever uses them to see. */
export function certificateOf(value: unknown): Certificate {
  const certificate = objectOf(value, 'certificate')
  return {
    name: textOf(certificate.name, 'name', longestName),
    hostnames: listOf(certificate.hostnames, 'hostnames').map(each =>
      domainOf(textOf(each, 'hostname', 255)),
    ),
    chain: textOf(certificate.chain, 'chain', longestPem),
    key: textOf(certificate.key, 'key', longestPem),
  }
}
