import { randomBytes } from 'node:crypto'

import type { Route } from '../../types.ts'
import { valuesOf } from '../fields.ts'
import { pages } from '../pages.ts'
import type { Gate, Verdict } from '../site.ts'
import { addressesOf } from '../trust.ts'
import type { Check, Passwords } from './passwords.ts'

/**
 * Basic authentication (RFC 7617). The field goes on to the app, as nginx has it: an app may want to know who came.
 * An unknown name costs what a wrong password costs.
 */
export function authGate(auth: Route['auth'], passwords: Passwords): Gate | undefined {
  if (!auth) return undefined
  const users = new Map(Object.entries(auth.users))
  const isAllowed = addressesOf(Object.keys(auth.allowed ?? {}))
  const decoy = decoyLike(users.values().next().value)
  const challenge: Verdict = {
    page: pages.noPassword,
    fields: ['WWW-Authenticate', `Basic realm="${quoted(auth.realm)}", charset="UTF-8"`],
  }
  return ({ client }, visitor) => {
    if (isAllowed?.(client)) return undefined
    const given = credentialsIn(visitor.fields)
    if (!given) return challenge
    const hash = users.get(given.name)
    const verdict = (check: Check) => {
      if (check === 'busy') return busy
      return check === 'right' && hash !== undefined ? undefined : challenge
    }
    const check = passwords.check(hash ?? decoy, given.password, client)
    return check instanceof Promise ? check.then(verdict) : verdict(check)
  }
}

const busy: Verdict = { page: pages.tooMany, fields: ['Retry-After', '1'] }

function credentialsIn(fields: readonly string[]): { name: string; password: string } | undefined {
  const values = valuesOf(fields, 'authorization')
  const [, token] = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(values.length === 1 ? values[0]! : '') ?? []
  if (token === undefined) return undefined
  const text = Buffer.from(token, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** A hash that nothing matches, and that costs as much to find out. */
function decoyLike(hash = '$scrypt$ln=14,r=8,p=1$'): string {
  const parameters = hash.split('$').slice(0, 3).join('$')
  const random = (bytes: number) => randomBytes(bytes).toString('base64').replace(/=+$/, '')
  return `${parameters}$${random(16)}$${random(32)}`
}

/** As a quoted string (RFC 9110 5.6.4), of ASCII alone. */
function quoted(realm: string): string {
  return realm.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
}
