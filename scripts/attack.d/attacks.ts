import type { AppName, Route } from '../../src/types.ts'
import { running } from '../../test/proxy/running.ts'
import { makes } from './backends.ts'
import { attackFraming, type Side } from './framing.ts'
import type { Ground } from './ground.ts'
import { openStand, runHere } from './stand.ts'
import { openTap } from './tap.ts'

export interface Words {
  readonly seed: number
  readonly count?: number
  readonly seconds?: number
  readonly backends?: readonly string[]
  /** After `--`. */
  readonly command: readonly string[]
  readonly ground: Ground
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

export interface Attack {
  readonly name: string
  readonly about: string
  /** Whether nothing was found. */
  readonly run: (words: Words) => Promise<boolean>
}

export const attacks: readonly Attack[] = [
  {
    name: 'framing',
    about: 'spoilt requests to four backends: does everybody see the same? (10000)',
    run: framing,
  },
  {
    name: 'stand',
    about: 'a proxy and an app to aim at: -- COMMAND… is run with PORT in its words replaced',
    run: stand,
  },
]

async function framing({ seed, count = 10_000, backends, ground, say, signal }: Words): Promise<boolean> {
  const wanted = makes.filter(({ name }) => backends?.includes(name) ?? true)
  const lacking = wanted.map(make => make.lacks()).filter(lack => lack !== undefined)
  if (lacking.length > 0) throw new Error(`Needed and missing: ${lacking.join(' · ')}`)
  const sides: Side[] = []
  for (const make of wanted) {
    const backend = await make.open({ dir: ground.dir })
    ground.teardown(backend.close)
    const tap = await openTap(backend.port)
    ground.teardown(tap.close)
    sides.push({ host: `${make.name}.test`, backend, tap })
  }
  const proxy = await running(ground)
  const control = proxy.edge()
  await control.sync(sides.map(({ host, tap }) => routeTo(host, tap.port)))
  const pids = await proxy.workers()
  const { findings, counts } = await attackFraming({ port: proxy.port, seed, cases: count, sides, signal })
  for (const [name, value] of Object.entries(counts)) say(`${String(value).padStart(8)} ${name}`)
  for (const { kind, what } of findings.slice(0, 60)) say(`${kind}: ${what}`)
  if (findings.length > 60) say(`… and ${findings.length - 60} more`)
  const survived = pids.join() === (await proxy.workers()).join()
  if (!survived) say('a worker ended')
  return findings.length === 0 && survived
}

/** For tools that are not ours. Theirs to say what they found; ours, whether anything ended. */
async function stand({ command, ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground)
  say(`shop.test is at http://127.0.0.1:${stand.port}`)
  if (command.length === 0) await new Promise(resolve => signal.addEventListener('abort', resolve))
  else {
    const words = command.map(word => word.replaceAll('PORT', String(stand.port)))
    say(`${words[0]} ended with ${await runHere(words, { signal })}`)
  }
  say(`${stand.asked()} requests reached the app`)
  return stand.survived()
}

function routeTo(host: string, port: number): Route {
  return {
    app: host.replace('.test', '') as AppName,
    domains: { [host]: true },
    upstreams: { [`${host}.1`]: { host: '127.0.0.1', port } },
  }
}
