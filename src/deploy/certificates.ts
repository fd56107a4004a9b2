import { isDeepStrictEqual } from 'node:util'

import { hostnamesOf } from '../core/domains.ts'
import { covers, factsOfChain, readPair } from '../core/pair.ts'
import type { Cellar } from '../core/rooms.ts'
import { createVerify } from '../core/verify.ts'
import { messageOf, UserError } from '../errors.ts'
import type { App, AppName, Call, Certificate } from '../types.ts'

/** The certificates as the daemon last told them to the proxy. */
export interface Certificates {
  /** Brings what the proxy has for an app's hostnames up to date, in every worker, before it settles. */
  tell(app: App, call: Call): Promise<void>
  /** The same without telling: for a table that is about to be told whole. */
  look(app: App, call: Call): Promise<void>
  forget(app: AppName): Promise<void>
  all(): readonly Certificate[]
  /** What is shown for the app's hostnames; a hostname stands in one of them at most. */
  of(app: AppName): readonly Certificate[]
}

export function createCertificates(cellar: Cellar): Certificates {
  const told = new Map<AppName, readonly Certificate[]>()
  const verify = createVerify()
  const of = (app: AppName) => told.get(app) ?? []

  const find = async (app: App, call: Call): Promise<readonly Certificate[]> => {
    const hostnames = hostnamesOf(app.name, cellar.store)
    const own = ownCertificate(app.name, hostnames)
    const rest = hostnames.filter(each => !own?.hostnames.includes(each))
    return [...(own ? [own] : []), ...(await found(app, rest, call))]
  }

  function ownCertificate(app: AppName, hostnames: readonly string[]): Certificate | undefined {
    const stored = cellar.store.certificates.of(app)
    if (!stored) return undefined
    const { hostnames: certified } = factsOfChain(stored.chain, verify)
    const covered = hostnames.filter(each => covers(certified, each))
    return { name: app, hostnames: covered, chain: stored.chain, key: stored.key }
  }

  /** Plugins' own. One that fails, or answers what cannot be used, costs its hostnames nothing that they had before. */
  async function found(app: App, hostnames: readonly string[], call: Call): Promise<readonly Certificate[]> {
    const byName = new Map<string, Certificate>()
    for (const hostname of hostnames) {
      const certificate = await answerFor(app, hostname, call).catch((error: unknown) => {
        cellar.log.error({ err: error, app: app.name }, 'a certificate is not to be had')
        call.out.warn(`There is no new certificate for ${hostname}: ${messageOf(error)}`)
        return of(app.name).find(each => each.name !== app.name && each.hostnames.includes(hostname))
      })
      if (!certificate) continue
      const name = certificate.name.startsWith(`${app.name}/`)
        ? certificate.name
        : `${app.name}/${certificate.name}`
      const before = byName.get(name)
      byName.set(name, { ...certificate, name, hostnames: [...(before?.hostnames ?? []), hostname] })
    }
    return [...byName.values()]
  }

  async function answerFor(app: App, hostname: string, call: Call): Promise<Certificate | undefined> {
    const answer = await cellar.hooks.findCertificate({ app, hostname }, call)
    if (!answer) return undefined
    const { chain, key, facts } = readPair(answer, { now: new Date(), verify })
    return covers(facts.hostnames, hostname) ? { name: answer.name, hostnames: [], chain, key } : undefined
  }

  const change = async (app: AppName, next: readonly Certificate[]) => {
    const before = of(app)
    const fresh = next.filter(each => !before.some(old => isDeepStrictEqual(old, each)))
    const gone = before.filter(old => !next.some(each => each.name === old.name))
    if (next.length > 0) told.set(app, next)
    else told.delete(app)
    for (const each of fresh) await cellar.edge.certificate(each).catch(refused(app))
    for (const each of gone) await cellar.edge.forgetCertificate(each.name)
  }

  /** The proxy keeps what it had; that is no reason to stop a deploy. */
  const refused = (app: AppName) => (error: unknown) => {
    if (error instanceof UserError) throw error
    cellar.log.error({ err: error, app }, 'the proxy did not take a certificate')
  }

  return {
    tell: async (app, call) => change(app.name, await find(app, call)),
    look: async (app, call) => void told.set(app.name, await find(app, call)),
    forget: app => change(app, []),
    all: () => [...told.values()].flat(),
    of,
  }
}
