import type { AppName, Route } from '../../src/types.ts'
import { running } from '../../test/proxy/running.ts'
import { attackAnswers, openCalmApp } from './answers.ts'
import type { Attack, Words } from './attack.ts'
import { makes } from './backends.ts'
import { attackFraming, type Side } from './framing.ts'
import { attackHellos } from './hellos.ts'
import { leaks, upload, webSockets } from './lasting.ts'
import { openMadApp } from './mad-app.ts'
import { askAllTheTime, replaceAgainAndAgain } from './replacements.ts'
import { attackAndReset } from './resets.ts'
import { attackRoutes } from './routes.ts'
import { openApp, openStand, runHere } from './stand.ts'
import { openTap } from './tap.ts'
import { tellCounts, tellSome } from './told.ts'
import { h2load, slow, tls } from './tools.ts'

export const attacks: readonly Attack[] = [
  {
    name: 'framing',
    about: 'spoilt requests to four backends: does everybody see the same? (10000)',
    run: framing,
  },
  {
    name: 'answers',
    about: 'spoilt answers of an app: does any client hear what nobody said? (10000)',
    run: answers,
  },
  {
    name: 'websockets',
    about: 'a thousand connections say a thousand messages each: does the same come back? (1000)',
    run: webSockets,
  },
  {
    name: 'routes',
    about: 'hosts and paths in every spelling against a model of 10,000 routes with redirects (1000000)',
    run: routes,
  },
  {
    name: 'leaks',
    about: 'requests, and a tenth as many clients that leave at every point: what stays open? (1000000)',
    run: leaks,
  },
  {
    name: 'resets',
    about:
      'WebSockets that end at every step, by their client or by the app: does anything stay open? (2000)',
    run: resets,
  },
  {
    name: 'hellos',
    about: 'garbage, lies and hostile names in place of a TLS handshake: does a good client notice? (10000)',
    run: hellos,
  },
  {
    name: 'upload',
    about: 'so many MB at a slow, steady rate: do they arrive, at no cost of memory? (200; --seconds 100)',
    run: upload,
  },
  {
    name: 'slow',
    about:
      "slowhttptest's four kinds, so many sockets each from 20 addresses, beside a good client (2000; --seconds 60)",
    run: slow,
  },
  {
    name: 'replacements',
    about:
      'so many times another proxy takes the place of the one, at 1,000 requests a second: what is lost? (20)',
    run: replacements,
  },
  {
    name: 'h2load',
    about: 'so many requests over HTTP/2: does each have its answer? (1000000)',
    run: h2load,
  },
  {
    name: 'tls',
    about: 'what testssl.sh has against it',
    run: tls,
  },
  {
    name: 'stand',
    about:
      'a proxy and an app to aim at: -- COMMAND… is run with PORT, TLS and AUTHORITY in its words replaced',
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
  tellCounts(counts, say)
  tellSome(
    findings.map(({ kind, what }) => `${kind}: ${what}`),
    say,
  )
  const survived = pids.join() === (await proxy.workers()).join()
  if (!survived) say('a worker ended')
  return findings.length === 0 && survived
}

async function answers({ seed, count = 10_000, ground, say, signal }: Words): Promise<boolean> {
  const [mad, calm] = [await openMadApp(ground, seed), await openCalmApp(ground)]
  const proxy = await running(ground)
  await proxy.edge().sync([routeTo('mad.test', mad.port), routeTo('calm.test', calm.port)])
  const pids = await proxy.workers()
  const { findings, counts } = await attackAnswers({ port: proxy.port, seed, cases: count, signal })
  tellCounts(counts, say)
  tellSome(findings, say)
  return findings.length === 0 && pids.join() === (await proxy.workers()).join()
}

async function routes({ seed, count = 1_000_000, say, signal }: Words): Promise<boolean> {
  const { pairs, counts, changes, wrong } = attackRoutes({ seed, apps: 10_000, pairs: count, signal })
  tellCounts(counts, say)
  say(`${pairs} hosts and paths, ${changes} changes meanwhile, ${wrong.length} wrong`)
  tellSome(wrong, say)
  return wrong.length === 0
}

async function resets({ seed, count = 2_000, ground, say, signal }: Words): Promise<boolean> {
  const { counts, wrong, survived } = await attackAndReset(ground, { seed, count, signal })
  tellCounts(counts, say)
  tellSome(wrong, say)
  return wrong.length === 0 && survived
}

async function hellos({ seed, count = 10_000, ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground)
  const { counts, wrong } = await attackHellos({ port: stand.httpsPort, seed, count, signal })
  tellCounts(counts, say)
  for (const each of wrong) say(each)
  return wrong.length === 0 && stand.survived()
}

async function replacements({ count = 20, ground, say, signal }: Words): Promise<boolean> {
  const app = await openApp(ground)
  const proxy = await running(ground)
  const control = proxy.edge()
  await control.sync([routeTo('shop.test', app.port)])
  const clients = askAllTheTime(proxy.port, { perSecond: 1_000 })
  const upgrade = () => control.upgrade()
  await replaceAgainAndAgain({ times: count, upgrade, betweenMs: 2_000, say, signal })
  const { answered, kept, lost, rate, slowestMs } = await clients.end()
  say(
    `${answered} answered at ${rate} a second, ${kept} of them on kept connections; slowest ${slowestMs} ms`,
  )
  for (const [why, times] of lost) say(`${String(times).padStart(8)} ${why}`)
  return lost.size === 0
}

/** For tools that are not ours. Theirs to say what they found; ours, whether anything ended. */
async function stand({ command, ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground)
  say(`shop.test is at http://127.0.0.1:${stand.port} and https://localhost:${stand.httpsPort}`)
  if (command.length === 0) await new Promise(resolve => signal.addEventListener('abort', resolve))
  else {
    const words = command.map(word =>
      word
        .replaceAll('PORT', String(stand.port))
        .replaceAll('TLS', String(stand.httpsPort))
        .replaceAll('AUTHORITY', stand.authority),
    )
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
