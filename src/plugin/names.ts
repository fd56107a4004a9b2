import { domainToASCII } from 'node:url'

import { UserError } from '../errors.ts'
import type { AppName, Hostname } from '../types.ts'

/** The one grammar for names, checked wherever a name comes in. */

const app = /^[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*$/
const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/
const configKey = /^[A-Za-z_][A-Za-z0-9_]*$/
const service = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?$/
const process = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62})$/

/** Kinds of services: their names address services, so no app may have them. */
const reserved = new Set([
  'postgres',
  'redis',
  'mariadb',
  'mysql',
  'mongo',
  'rabbitmq',
  'meilisearch',
  'elasticsearch',
])

export function isAppName(text: string): text is AppName {
  return text.length <= 63 && app.test(text) && !reserved.has(text)
}

/** Throws UserError `bad-name`. */
export function readAppName(text: string): AppName {
  if (isAppName(text)) return text
  if (reserved.has(text)) {
    throw new UserError(
      'bad-name',
      `${text} is the name of a kind of service.`,
      'Choose another name for the app.',
    )
  }
  throw new UserError(
    'bad-name',
    `${JSON.stringify(text)} cannot be an app's name.`,
    'Names are lower-case letters and digits, with single dots or dashes between, at most 63 characters.',
  )
}

/** Lower case, punycode, no final dot; `*.` in front is kept. Throws UserError `bad-domain`. */
export function readHostname(text: string): Hostname {
  const wildcard = text.startsWith('*.')
  const plain = (wildcard ? text.slice(2) : text).toLowerCase().replace(/\.$/, '')
  // domainToASCII reads its text as the host of a URL: it would cut a path off and drop newlines.
  const ascii = /[\s/\\?#@:\x00-\x1f]/.test(plain) ? '' : domainToASCII(plain)
  const labels = ascii.split('.')
  const good = ascii.length > 0 && ascii.length <= 253 && labels.every(each => label.test(each))
  if (!good || !/[a-z]/.test(labels.at(-1)!))
    throw new UserError('bad-domain', `${text} is invalid. exiting...`)
  return `${wildcard ? '*.' : ''}${ascii}` as Hostname
}

/** Letters, digits, `-` and `_`; `db`. Throws UserError `bad-name`. */
export function readServiceName(text: string): string {
  if (service.test(text)) return text
  throw new UserError(
    'bad-name',
    `${JSON.stringify(text)} cannot be a service's name.`,
    'Names are letters, digits, dashes and underscores, a letter or digit first, at most 40 characters.',
  )
}

/** Throws UserError `bad-key`. Shell identifiers, as Dokku and POSIX have them. */
export function readConfigKey(text: string): string {
  if (configKey.test(text)) return text
  throw new UserError(
    'bad-key',
    `${JSON.stringify(text)} cannot be a config key.`,
    'Keys are letters, digits and underscores, not a digit first.',
  )
}

/** Letters, digits, `-` and `_`; `web`. */
export function isProcessName(text: string): boolean {
  return process.test(text)
}
