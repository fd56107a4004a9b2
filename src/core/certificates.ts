import { UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import { selfSigned } from '../self-signed.ts'
import type { App, Call } from '../types.ts'
import { getApp } from './apps.ts'
import { hostnamesOf } from './domains.ts'
import { covers, factsOfChain, type Pair, readPair } from './pair.ts'
import type { Rooms } from './rooms.ts'
import { createVerify } from './verify.ts'

export function createCertificatesView(rooms: Rooms): Core['certificates'] {
  const { store } = rooms
  const verify = createVerify()

  async function put(app: App, pair: Pair, call: Call): Promise<void> {
    store.certificates.put(app.name, pair)
    await rooms.routes.refresh(app, call)
  }

  return {
    async add(name, given, call) {
      const app = getApp(name, rooms)
      const pair = readPair(given, { now: new Date(), verify })
      await put(app, pair, call)
      return { ...pair.facts, warnings: [...pair.warnings, ...uncovered(app, pair, rooms)] }
    },

    async generate(name, hostname, call) {
      const app = getApp(name, rooms)
      if (store.certificates.of(app.name)) {
        throw new UserError(
          'certificate-there',
          `${name} has a certificate already.`,
          `Remove it first: certs:remove ${name}`,
        )
      }
      const made = await selfSigned([hostname], { days: 365 })
      const pair = readPair(made, { now: new Date(), verify })
      await put(app, pair, call)
      return { ...pair.facts, warnings: uncovered(app, pair, rooms) }
    },

    async remove(name, call) {
      const app = getApp(name, rooms)
      if (!store.certificates.remove(app.name)) throw noCertificate(name)
      await rooms.routes.refresh(app, call)
    },

    own(name) {
      const stored = store.certificates.of(getApp(name, rooms).name)
      if (!stored) throw noCertificate(name)
      return stored
    },

    inForce: name =>
      rooms.routes
        .certificates(getApp(name, rooms).name)
        .map(each => ({ ...factsOfChain(each.chain, verify), serves: each.hostnames })),
  }
}

function noCertificate(app: string): UserError {
  return new UserError(
    'certificate-missing',
    `An app-specific certificate is not there for ${app}.`,
    `Add one with: certs:add ${app} < server.tar (one .crt and one .key), or certs:generate ${app} DOMAIN`,
  )
}

/** What a person will look for first when browsers complain. */
function uncovered(app: App, { facts }: Pair, { store }: Rooms): readonly string[] {
  const hostnames = hostnamesOf(app.name, store)
  const left = hostnames.filter(each => !covers(facts.hostnames, each))
  if (left.length === 0) return []
  if (left.length < hostnames.length)
    return [`Not in the certificate, and served over http only: ${left.join(', ')}`]
  return [
    `No domain of ${app.name} is in the certificate. It is for ${facts.hostnames.join(', ') || 'none'}; add one with: domains:add ${app.name} DOMAIN`,
  ]
}
