import { openTable } from '../../src/proxy/table.ts'
import type { AppName, Redirect, Route } from '../../src/types.ts'
import { type Random, randomOf } from '../chaos.d/random.ts'
import { fateOf, plainFate, redirect, target } from './fates.ts'

export interface RoutesAttack {
  readonly seed: number
  readonly apps: number
  readonly pairs: number
  readonly signal: AbortSignal
}

export interface RoutesOutcome {
  readonly pairs: number
  /** By what they come to; `nobody`: no app has the host. */
  readonly counts: Readonly<Record<'served' | 'redirected' | 'nobody' | 'refused', number>>
  readonly changes: number
  readonly wrong: readonly string[]
}

/**
 * Hosts and targets as clients may write them, to a table that changes meanwhile, beside a model that knows only the rules: lower-case, no port and no
 * final dot; a whole name before a wildcard, the longer wildcard before the shorter; paths pass as
 * they came, and go along where a host leads to another.
 */
export function attackRoutes({ seed, apps, pairs, signal }: RoutesAttack): RoutesOutcome {
  const random = randomOf(seed)
  const model = openModel(random)
  for (let n = 0; n < apps; n++) model.point(`app${n}`)
  const table = openTable(model.routes())
  const wrong: string[] = []
  const counts = { served: 0, redirected: 0, nobody: 0, refused: 0 }
  let changes = 0
  for (let n = 0; n < pairs && !signal.aborted; n++) {
    if (random.next() < 0.01) {
      changes++
      const app = `app${Math.floor(random.between(0, apps))}`
      if (random.next() < 0.5 && model.has(app)) {
        model.forget(app)
        table.forget(app)
      } else table.point(model.point(app))
    }
    const { path, ...asked } = target(random)
    const { written, meant } = host(model, random, { inUrl: asked.absolute })
    // Of two hosts that of the target counts; the other has to be one.
    const field = asked.absolute ? host(model, random, { inUrl: false }) : { written, meant }
    const line = asked.written(written)
    // A fragment is in no target.
    const broken =
      line.includes('#') || (asked.absolute && (field.meant === undefined || !/^[^/?#\s]+$/.test(written)))
    const expected = broken ? 'refused' : plainFate({ hostname: meant, path }, model.find)
    const found = fateOf(table, field.written, line)
    counts[kindOf(expected)]++
    if (found !== expected)
      wrong.push(`${JSON.stringify([field.written, line])} leads to ${found}, not to ${expected}`)
  }
  return { pairs, counts, changes, wrong }
}

function kindOf(fate: string): keyof RoutesOutcome['counts'] {
  if (fate === 'nobody' || fate === 'refused') return fate
  return /^3\d\d /.test(fate) ? 'redirected' : 'served'
}

const words = [
  'shop',
  'api',
  'www',
  'a',
  'b',
  'x-y',
  'under_score',
  'xn--bcher-kva',
  'dev',
  '1',
  '0x7f',
  'constructor',
  '__proto__',
  'test',
  'com',
  'co',
  'uk',
]

/** Domains and who owns each, by rules so plain that they can be read. */
function openModel(random: Random) {
  const owners = new Map<string, string>()
  const domains: string[] = []
  const forget = (app: string) => {
    for (const domain of Object.keys(known.get(app)?.domains ?? {})) owners.delete(domain)
  }
  const known = new Map<string, Route>()
  return {
    owners,
    /** That were ever somebody's. */
    domains,
    has: (app: string) => known.has(app),
    forget(app: string) {
      forget(app)
      known.delete(app)
    },
    /** With new domains, none of them another's. */
    point(app: string): Route {
      forget(app)
      const own = Array.from({ length: random.pick([0, 1, 1, 1, 2, 5]) }, () => domain(random)).filter(
        each => !owners.has(each),
      )
      for (const each of own) {
        owners.set(each, app)
        domains.push(each)
      }
      const led = own.filter(() => random.next() < 0.2).map(each => [each, redirect(random)] as const)
      const route: Route = {
        app: app as AppName,
        domains: Object.fromEntries(own.map(each => [each, true as const])),
        upstreams: {},
        ...(led.length > 0 && { redirects: Object.fromEntries(led) }),
      }
      known.set(app, route)
      return route
    },
    routes: () => [...known.values()],
    find(name: string): { app: string; redirect: Redirect | undefined } | undefined {
      const labels = name.split('.')
      const names = [name, ...labels.slice(1).map((_, at) => `*.${labels.slice(at + 1).join('.')}`)]
      const app = names.map(each => owners.get(each)).find(owner => owner !== undefined)
      if (app === undefined) return undefined
      const redirects = new Map(Object.entries(known.get(app)?.redirects ?? {}))
      return { app, redirect: names.map(each => redirects.get(each)).find(each => each !== undefined) }
    },
  }
}

type Model = ReturnType<typeof openModel>

function domain(random: Random): string {
  const name = labels(random)
  return random.next() < 0.2 ? `*.${name}` : name
}

function labels(random: Random): string {
  const number = Math.floor(random.between(0, 20_000))
  return Array.from({ length: random.pick([1, 2, 2, 3, 3, 4]) }, () =>
    random.next() < 0.3 ? `n${number}` : random.pick(words),
  ).join('.')
}

/** Somebody's name, or nearly, or nobody's; and how it is written. `meant` is undefined where it is no hostname. */
function host(
  model: Model,
  random: Random,
  { inUrl }: { inUrl: boolean },
): { written: string; meant: string | undefined } {
  const some = random.next() < 0.8 && model.domains.length > 0 ? random.pick(model.domains) : labels(random)
  const name = random.pick([
    () => some.replace('*', random.pick(words)),
    () => some.replace('*', `${random.pick(words)}.${random.pick(words)}`),
    () => some.replace('*.', ''),
    () => `${random.pick(words)}.${some.replace('*.', '')}`,
    () => some.replace('*', 'x').split('.').slice(1).join('.') || 'x',
    () => `${some.replace('*', 'x')}x`,
    () => `x${some.replace('*', 'x')}`,
    () => some.replace('*', 'b\u00fccher'),
  ])()
  const spelt = random.pick([name, name, name, name.toUpperCase(), mixed(name, random)])
  const dotted = random.next() < 0.1 ? `${spelt}.` : spelt
  const whole = random.next() < 0.3 ? `${dotted}:${random.pick(['80', '443', '', '0', '65535'])}` : dotted
  const written = Buffer.from(whole).toString('latin1')
  if (random.next() < 0.02) {
    const spoilt = broken(written, random)
    // There a slash is the host's end, and all is well.
    if (!inUrl || !spoilt.includes('/')) return { written: spoilt, meant: undefined }
  }
  return { written, meant: meaning(name) }
}

function meaning(name: string): string | undefined {
  if (!name.includes('\u00fc')) return name.toLowerCase()
  // To IDNA a last label of digits is an address, and none of these is one.
  return /\.(\d+|0x[0-9a-f]*)$/i.test(name)
    ? undefined
    : name.toLowerCase().replace('b\u00fccher', 'xn--bcher-kva')
}

const mixed = (name: string, random: Random) =>
  name.replace(/[a-z]/g, letter => (random.next() < 0.5 ? letter.toUpperCase() : letter))

/** No longer a hostname. */
function broken(written: string, random: Random): string {
  return random.pick([
    `.${written}`,
    `${written}/`,
    `${written} `,
    `a b.${written}`,
    `${written}@x`,
    `u@${written}`,
    `${written},${written}`,
    written.replace('.', '..') === written ? '' : written.replace('.', '..'),
    '',
    `[${written}`,
    `${written}:x`,
    `${written}\0`,
    `*.${written}`,
  ])
}
