import type { EdgeOptions } from '../edge/wire.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Certificate } from '../types.ts'
import { type Certificates, refuseBroken } from './certificates.ts'
import type { Verb, WorkersVerb } from './control.ts'
import type { Fleet } from './fleet.ts'
import type { Kept, Part } from './kept.ts'
import type { Table } from './table.ts'

/** Everything that the daemon has told. */
export interface Known {
  readonly table: Table
  readonly certificates: Certificates
  options: EdgeOptions
}

/** What changes what is known, one after another: into every worker, then onto the disk. */
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
  readonly keeps: readonly Part[]
  readonly value?: unknown
}

export function openChanges(
  known: Known,
  { kept, follow }: { kept: Kept; follow: (order: Verb) => void },
): Changes {
  let last: Promise<unknown> = Promise.resolve()
  const carryOut = async ({ apply, order, keeps, value }: Change, workers: Fleet) => {
    apply(known)
    const said = await workers.ask(order)
    follow(order)
    await kept.keep(keeps)
    return order.verb === 'point' ? closed(said) : value
  }
  return {
    make(request, workers) {
      const change = changeOf(request.verb === 'sync' ? withKept(request, known) : request)
      if (!change) return undefined
      const next = last.then(() => carryOut(change, workers))
      last = next.catch(() => {})
      return next
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
function withKept(request: WorkersVerb & { verb: 'sync' }, { table }: Known): WorkersVerb {
  const kept = new Set(request.keep)
  const routes = kept.size === 0 ? [] : table.routes().filter(({ app }) => kept.has(app))
  return { ...request, routes: [...request.routes, ...routes] }
}

/** What the verb changes; undefined when it is a question. */
function changeOf(request: WorkersVerb): Change | undefined {
  switch (request.verb) {
    case 'sync':
      return syncOf(request)
    case 'point':
      return { order: request, keeps: ['routes'], apply: ({ table }) => table.point(request.route) }
    case 'forget':
      return { order: request, keeps: ['routes'], apply: ({ table }) => table.forget(request.app) }
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
      known.table.sync(request.routes)
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
