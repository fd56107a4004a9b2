import { hostnameOf } from '../../src/proxy/hostname.ts'
import { openTable } from '../../src/proxy/table.ts'
import type { AppName, Route } from '../../src/types.ts'
import { type Random, randomOf } from '../chaos.d/random.ts'

export interface RoutesAttack {
  readonly seed: number
  readonly apps: number
  readonly pairs: number
  readonly signal: AbortSignal
}

export interface RoutesOutcome {
  readonly pairs: number
  /** Of them, such as no app answers to. */
  readonly unknown: number
  readonly changes: number
  readonly wrong: readonly string[]
}

/**
 * Hosts as clients may write them, to a table that changes meanwhile, beside a model that knows only the rules: lower-case, no port and no
 * final dot; a whole name before a wildcard, the longer wildcard before the shorter.
 */
export function attackRoutes({ seed, apps, pairs, signal }: RoutesAttack): RoutesOutcome {
  const random = randomOf(seed)
  const model = openModel(random)
  for (let n = 0; n < apps; n++) model.point(`app${n}`)
  const table = openTable(model.routes())
  const wrong: string[] = []
  let unknown = 0
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
    const { written, meant } = host(model, random)
    const expected = meant === undefined ? undefined : model.find(meant)
    const hostname = hostnameOf(written)
    const found = hostname === undefined ? undefined : table.find(hostname)?.route.app
    if (expected === undefined) unknown++
    if (found !== expected) wrong.push(`${JSON.stringify(written)} leads to ${found}, not to ${expected}`)
  }
  return { pairs, unknown, changes, wrong }
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
      const route = {
        app: app as AppName,
        domains: Object.fromEntries(own.map(each => [each, true as const])),
        upstreams: {},
      }
      known.set(app, route)
      return route
    },
    routes: () => [...known.values()],
    find(name: string): string | undefined {
      const labels = name.split('.')
      const wildcards = labels.slice(1).map((_, at) => `*.${labels.slice(at + 1).join('.')}`)
      return [name, ...wildcards].map(each => owners.get(each)).find(owner => owner !== undefined)
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
function host(model: Model, random: Random): { written: string; meant: string | undefined } {
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
  if (random.next() < 0.02) return { written: broken(written, random), meant: undefined }
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
