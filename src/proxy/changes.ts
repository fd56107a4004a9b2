import type { EdgeOptions } from '../edge/wire.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Certificate, Route } from '../types.ts'
import { type Certificates, refuseBroken } from './certificates.ts'
import type { Verb, WorkersVerb } from './control.ts'
import type { Fleet } from './fleet.ts'
import type { Kept, Part } from './kept.ts'
import type { Order } from './orders.ts'
import type { TableChange } from './tablefile.ts'

/** Everything that the daemon has told. */
export interface Known {
  readonly routes: Map<string, Route>
  readonly certificates: Certificates
  options: EdgeOptions
}

/** What changes what is known, one after another: into every worker, and onto the disk meanwhile. */
export interface Changes {
  /** Settles with what there is to say of it. */
  make(request: ChangeVerb, workers: Pick<Fleet, 'ask'>): Promise<unknown>
  /** Nothing is changed during the work, nor after it where it has answered `for good`. */
  hold(work: () => Promise<'for good'>): Promise<void>
}

interface Change {
  apply(): void
  /** Told to the workers, all of them at once where there are a few. */
  readonly orders: readonly Order[]
  readonly keeps: readonly (Part | TableChange)[]
  readonly answer: (said: readonly (readonly unknown[])[]) => unknown
}

/** Orders that workers get at once, and routes in one of them: between two a worker has time for requests. */
const ordersOf = 100
const routesOf = 50

export function openChanges(
  known: Known,
  { kept, follow }: { kept: Kept; follow: (order: Verb) => void },
): Changes {
  let last: Promise<unknown> = Promise.resolve()
  const carryOut = async (request: ChangeVerb, workers: Pick<Fleet, 'ask'>) => {
    const { apply, orders, keeps, answer } = changeOf(request, known)
    apply()
    const written = kept.keep(keeps)
    const said: (readonly unknown[])[] = []
    for (const slice of slices(orders, ordersOf)) {
      said.push(...(await Promise.all(slice.map(order => workers.ask(order)))))
    }
    follow(request)
    return { written, answer: answer(said) }
  }
  return {
    make(request, workers) {
      const next = last.then(() => carryOut(request, workers))
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

const changeVerbs = [
  ...(['sync', 'point', 'forget', 'options', 'rename'] as const),
  ...(['certificate', 'forgetCertificate'] as const),
]

export type ChangeVerb = Extract<WorkersVerb, { verb: (typeof changeVerbs)[number] }>

export function isChange(request: WorkersVerb): request is ChangeVerb {
  return (changeVerbs as readonly string[]).includes(request.verb)
}

/** Throws before anything is changed when it cannot be. */
function changeOf(request: ChangeVerb, known: Known): Change {
  if (request.verb === 'sync') return syncOf(request, known)
  const change = { orders: [request], answer: () => undefined }
  switch (request.verb) {
    case 'point':
      return {
        ...change,
        keeps: [{ route: request.route }],
        apply: () => void known.routes.set(request.route.app, request.route),
        answer: ([said]) => closed(said ?? []),
      }
    case 'forget':
      return {
        ...change,
        keeps: [{ forget: request.app }],
        apply: () => void known.routes.delete(request.app),
      }
    case 'options':
      return {
        ...change,
        keeps: ['options'],
        apply() {
          known.options = request.options
        },
      }
    case 'rename':
      return { ...change, keeps: [], apply: () => undefined }
    case 'certificate':
      refuseBroken(request.certificate)
      return {
        ...change,
        keeps: ['certificates'],
        apply: () => known.certificates.put(request.certificate),
      }
    case 'forgetCertificate':
      return {
        ...change,
        keeps: ['certificates'],
        apply: () => known.certificates.forget(request.name),
      }
  }
}

/**
 * Of a whole table what is different: a daemon that has come back tells what everybody knows already. A certificate that is broken is left
 * out and answered, and the one before it stays.
 */
function syncOf({ routes, certificates, options, keep }: Sync, known: Known): Change {
  const refused: string[] = []
  const staying = new Set<string>([...keep, ...routes.map(({ app }) => app)])
  const changed = routes.filter(each => !isSame(each, known.routes.get(each.app)))
  const gone = [...known.routes.keys()].filter(app => !staying.has(app))
  const before = new Map(known.certificates.all().map(each => [each.name, each]))
  const fresh = sound(
    certificates.filter(each => !isSame(each, before.get(each.name))),
    why => refused.push(why),
  )
  const named = new Set(certificates.map(({ name }) => name))
  const expired = [...before.keys()].filter(name => !named.has(name))
  const differ = !isSame(options, known.options)
  return {
    apply() {
      for (const route of changed) known.routes.set(route.app, route)
      for (const app of gone) known.routes.delete(app)
      for (const each of fresh) known.certificates.put(each)
      for (const name of expired) known.certificates.forget(name)
      known.options = options
    },
    // The certificate first: a hostname that has one is led to https at once. What is gone last: another app may have its hostnames.
    orders: [
      ...(differ ? [{ verb: 'options', options } as const] : []),
      ...fresh.map(certificate => ({ verb: 'certificate', certificate }) as const),
      ...slices(changed, routesOf).map(each => ({ verb: 'points', routes: each }) as const),
      ...gone.map(app => ({ verb: 'forget', app }) as const),
      ...expired.map(name => ({ verb: 'forgetCertificate', name }) as const),
    ],
    keeps: [
      ...(changed.length + gone.length > 0 ? (['routes'] as const) : []),
      ...(fresh.length + expired.length > 0 ? (['certificates'] as const) : []),
      ...(differ ? (['options'] as const) : []),
    ],
    answer: () => refused,
  }
}

type Sync = Extract<WorkersVerb, { verb: 'sync' }>

function slices<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) =>
    list.slice(at * size, (at + 1) * size),
  )
}

/** As they were read, field by field in one order. */
function isSame(one: object, other: object | undefined): boolean {
  return other !== undefined && JSON.stringify(one) === JSON.stringify(other)
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
