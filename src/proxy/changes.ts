import type { EdgeOptions } from '../edge/wire.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Certificate, Route } from '../types.ts'
import { type Certificates, refuseBroken } from './certificates.ts'
import type { Verb, WorkersVerb } from './control.ts'
import type { Fleet } from './fleet.ts'
import type { Kept, Part } from './kept.ts'
import type { TableChange } from './tablefile.ts'

/** Everything that the daemon has told. */
export interface Known {
  readonly routes: Map<string, Route>
  readonly certificates: Certificates
  options: EdgeOptions
}

/** What changes what is known, one after another: into every worker, and onto the disk meanwhile. */
export interface Changes {
  /** Settles with what there is to say of it; undefined: the request changes nothing. */
  make(request: WorkersVerb, workers: Fleet): Promise<unknown> | undefined
  /** Nothing is changed during the work, nor after it where it has answered `for good`. */
  hold(work: () => Promise<'for good'>): Promise<void>
}

interface Change {
  /** Throws before anything is changed when it cannot be. */
  apply(known: Known): void
  /** Told to the workers. */
  readonly order: WorkersVerb
  readonly keeps: readonly (Part | TableChange)[]
  readonly value?: unknown
}

export function openChanges(
  known: Known,
  { kept, follow }: { kept: Kept; follow: (order: Verb) => void },
): Changes {
  let last: Promise<unknown> = Promise.resolve()
  const carryOut = async ({ apply, order, keeps, value }: Change, workers: Fleet) => {
    apply(known)
    const written = kept.keep(keeps)
    const said = await workers.ask(order)
    follow(order)
    return { written, answer: order.verb === 'point' ? closed(said) : value }
  }
  return {
    make(request, workers) {
      const change = changeOf(request.verb === 'sync' ? withKept(request, known) : request)
      if (!change) return undefined
      const next = last.then(() => carryOut(change, workers))
      last = next.catch(() => {})
      // The next change waits for the workers alone.
      return next.then(({ written, answer }) => written.then(() => answer))
    },
    async hold(work) {
      const done = last.then(work)
      // Whoever still waits is told by another.
      last = done.then(
        () => new Promise(() => undefined),
        () => undefined,
      )
      await done
    },
  }
}

/** With the routes that are to stay, as they are here. */
function withKept(request: WorkersVerb & { verb: 'sync' }, { routes }: Known): WorkersVerb {
  const kept = request.keep.flatMap(app => routes.get(app) ?? [])
  return { ...request, routes: [...request.routes, ...kept] }
}

/** What the verb changes; undefined when it is a question. */
function changeOf(request: WorkersVerb): Change | undefined {
  switch (request.verb) {
    case 'sync':
      return syncOf(request)
    case 'point':
      return {
        order: request,
        keeps: [{ route: request.route }],
        apply: ({ routes }) => void routes.set(request.route.app, request.route),
      }
    case 'forget':
      return {
        order: request,
        keeps: [{ forget: request.app }],
        apply: ({ routes }) => void routes.delete(request.app),
      }
    case 'options':
      return {
        order: request,
        keeps: ['options'],
        apply: known => {
          known.options = request.options
        },
      }
    case 'rename':
      return { order: request, keeps: [], apply: () => undefined }
    case 'certificate':
      refuseBroken(request.certificate)
      return {
        order: request,
        keeps: ['certificates'],
        apply: ({ certificates }) => certificates.put(request.certificate),
      }
    case 'forgetCertificate':
      return {
        order: request,
        keeps: ['certificates'],
        apply: ({ certificates }) => certificates.forget(request.name),
      }
    default:
      return undefined
  }
}

/** What is broken is left out and answered; the rest counts. */
function syncOf(request: WorkersVerb & { verb: 'sync' }): Change {
  const refused: string[] = []
  const certificates = sound(request.certificates, why => refused.push(why))
  return {
    order: { ...request, certificates },
    keeps: ['routes', 'certificates', 'options'],
    apply: known => {
      known.routes.clear()
      for (const route of request.routes) known.routes.set(route.app, route)
      known.certificates.sync(certificates)
      known.options = request.options
    },
    value: refused,
  }
}

export function usable(certificates: readonly Certificate[], log: Logger): readonly Certificate[] {
  return sound(certificates, why => log.error(why))
}

function sound(certificates: readonly Certificate[], refuse: (why: string) => void): readonly Certificate[] {
  return certificates.filter(each => {
    try {
      refuseBroken(each)
      return true
    } catch (error) {
      refuse(messageOf(error))
      return false
    }
  })
}

/** Ports that some worker could not open. */
function closed(said: readonly unknown[]): readonly number[] {
  return [...new Set((said as (readonly number[])[]).flat())]
}
