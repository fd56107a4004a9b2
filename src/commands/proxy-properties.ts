import { bytesOf, msOf, rateOf, switchOf } from '../core/proxy-values.ts'
import { UserError } from '../errors.ts'
import { whole } from '../plugin/args.ts'
import { readNetworks } from '../plugin/networks.ts'
import type { Property } from '../plugin/property.ts'

/** Kept as it was typed, once it can be read. */
const as = (read: (value: string) => unknown) => (value: string) => {
  read(value)
  return value
}
const count = (least: number, most: number) => (value: string) => String(whole(least, most)(value))
const oneOf =
  (...words: readonly string[]) =>
  (value: string) => {
    if (words.includes(value)) return value
    throw new UserError('bad-value', `${value} is not ${words.join(' or ')}.`)
  }

type Rest = Partial<Pick<Property, 'where' | 'fallback' | 'read'>>

/** What follows from a change follows at once: every worker has it when the command ends. */
function property(key: string, about: string, rest: Rest): Property {
  return {
    ...{ key, about, where: 'both', fallback: '' },
    ...rest,
    changed: (core, app, call) => core.routes.refresh(app, call),
  }
}

export const proxyProperties: readonly Property[] = [
  property('client-max-body-size', 'Longest body of a request: 20m, 1g; 0 is any', {
    fallback: '1g',
    read: as(bytesOf),
  }),
  property('client-body-timeout', 'How long a body may crawl', { fallback: '20s', read: as(msOf) }),
  property(
    'send-timeout',
    'How long a client may take an answer at a crawl; counts with client-body-timeout, the longer',
    {
      fallback: '20s',
      read: as(msOf),
    },
  ),
  property('proxy-connect-timeout', 'For a connection to the app', { fallback: '5s', read: as(msOf) }),
  property(
    'proxy-read-timeout',
    'Silence of the app before its answer, in the middle of it, and of a WebSocket (unset: 60s, 10m, any)',
    { fallback: '60s', read: as(msOf) },
  ),
  property('proxy-send-timeout', 'Counts with proxy-read-timeout before the answer, the longer', {
    fallback: '60s',
    read: as(msOf),
  }),
  property('proxy-buffering', 'off: answers are passed on as they come', {
    fallback: 'off',
    read: oneOf('off'),
  }),
  property('compress', 'Answers are compressed when the app did not: on, off', {
    fallback: 'on',
    read: as(switchOf),
  }),
  property('rate-limit', 'Requests of one client: 10r/s, or 600r/m,burst=50. Each worker counts its own', {
    read: as(rateOf),
  }),
  property(
    'allow',
    'Only these addresses may come: 192.0.2.7,10.0.0.0/8; cloudflare and private stand for theirs',
    {
      read: as(readNetworks),
    },
  ),
  property('deny', 'These addresses may not come', { read: as(readNetworks) }),
  property('sticky', 'A client stays with one container, by cookie: on, off', {
    fallback: 'off',
    read: as(switchOf),
  }),
  property('upstream-requests', 'Requests at once at one container, per worker; further ones wait', {
    read: count(1, 1_000_000),
  }),
  property('queue-length', 'How many may wait; past that they get 503', {
    fallback: '1000',
    read: count(0, 1_000_000),
  }),
  property('queue-timeout', 'How long they wait', { fallback: '10s', read: as(msOf) }),
  property('https-redirect', 'With a certificate, http leads to https: on, off', {
    fallback: 'on',
    read: as(switchOf),
  }),
  property('hsts', 'With a certificate, browsers are told to use https only: true, false', {
    fallback: 'true',
    read: as(switchOf),
  }),
  property('hsts-include-subdomains', 'And for all names below: true, false', {
    fallback: 'false',
    read: as(switchOf),
  }),
  property('hsts-max-age', 'For so many seconds', { fallback: '15724800', read: count(0, 1_000_000_000) }),
  property('hsts-preload', 'And to be built into browsers: true, false', {
    fallback: 'false',
    read: as(switchOf),
  }),
  property(
    'trusted-proxies',
    'Proxies in front of this one, whose X-Forwarded-For counts: cloudflare, private, or addresses',
    { where: 'global', read: as(readNetworks) },
  ),
  property('proxy-protocol', 'Connections from trusted proxies begin with where they came from: on, off', {
    where: 'global',
    fallback: 'off',
    read: as(switchOf),
  }),
  property('access-log-format', 'How requests are written down: json, combined', {
    fallback: 'json',
    read: oneOf('json', 'combined'),
  }),
  property('access-log-path', 'off: requests are not written down', { fallback: 'on', read: oneOf('off') }),
]

const streams = 'Answers are passed on as they come: there is no buffer to set.'
const trust = 'Say whose word on clients counts: proxy:set --global trusted-proxies ADDRESSES'
const listen = 'Davit listens where its own settings say: install.sh --help'
const alike = 'It is the same for all apps.'
const noFile =
  'There is no configuration file: see proxy:set --help for what can be set, and proxy:show-config for what is in force.'

/** What Dokku's nginx has and this proxy has otherwise, or not at all. */
export const insteadOf: Readonly<Record<string, string>> = {
  'proxy-buffer-size': streams,
  'proxy-buffers': streams,
  'proxy-busy-buffers-size': streams,
  'x-forwarded-for-value': trust,
  'x-forwarded-port-value': trust,
  'x-forwarded-proto-value': trust,
  'x-forwarded-ssl': 'Apps get X-Forwarded-Proto, which says https.',
  'bind-address-ipv4': listen,
  'bind-address-ipv6': listen,
  'proxy-port': listen,
  'proxy-ssl-port': listen,
  'client-header-timeout': `${alike} A head has 20 s.`,
  'keepalive-timeout': `${alike} A connection is kept for 75 s.`,
  'lingering-timeout': alike,
  'underscore-in-headers': 'Fields with underscores are passed on.',
  'error-log-path': 'See what went wrong with: nginx:error-logs APP',
  'disable-custom-config': noFile,
  'nginx-conf-sigil-path': noFile,
  'nginx-service-command': noFile,
}
