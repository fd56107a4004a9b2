import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import pino from 'pino'

import { messageOf } from '../../src/errors.ts'
import { openTableFile } from '../../src/proxy/tablefile.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { Release } from '../../src/types.ts'
import type { Sandbox } from './sandbox.ts'

/** Waits until nothing is left over and everything is as recorded; answers what is not after `withinMs`, in sentences. */
export async function settled(box: Sandbox, { withinMs }: { withinMs: number }): Promise<readonly string[]> {
  const until = Date.now() + withinMs
  const store = storeOf(box)
  try {
    for (;;) {
      // What is looked through changes meanwhile.
      const left = await leftovers(box, store).catch(error => [`there was no looking: ${messageOf(error)}`])
      if (left.length === 0 || Date.now() > until) return left
      await pause(100)
    }
  } finally {
    store.close()
  }
}

/** What the daemon has recorded, read beside it. */
export function storeOf({ data }: Sandbox): Store {
  return openStore({ file: join(data, 'davit.db'), keyFile: join(data, 'seal.key') })
}

async function leftovers(box: Sandbox, store: Store): Promise<string[]> {
  const parts = await Promise.all([
    stepsLeft(store),
    containersLeft(box, store),
    networksLeft(box, store),
    imagesLeft(box, store),
    filesLeft(box, store),
    routesLeft(box, store),
  ])
  return [...parts.flat(), ...releasesLeft(store)]
}

function stepsLeft(store: Store): string[] {
  const retired = store.apps.list().filter(each => each.retired)
  const services = store.services.list().filter(each => each.state !== 'wanted' && each.state !== 'stopped')
  const left = store.services.links().filter(each => each.leftAt)
  return [
    ...services.map(each => `service ${each.name} is ${each.state}`),
    ...left.map(each => `${each.app} has not left its service`),
    ...store.steps.list().map(each => `step ${each.kind} of ${each.app} is at ${each.phase}`),
    ...retired.map(each => `app ${each.name} is half destroyed`),
  ]
}

/** Containers that ought to run at their addresses, and do not. An app that is being destroyed has none. */
export async function missing({ engine, instance }: Sandbox, store: Store): Promise<string[]> {
  const infos = await engine.containers({ 'com.davit.instance': instance })
  const retired = store.apps.list().flatMap(each => (each.retired ? each.name : []))
  return store.containers.list().flatMap(({ app, name, state, address }) => {
    const info = infos.find(each => each.name === name)
    if (state !== 'wanted' || retired.includes(app)) return []
    if (info?.state !== 'running') return [`container ${name} does not run`]
    return Object.values(info.addresses).includes(address) ? [] : [`container ${name} is not at ${address}`]
  })
}

async function containersLeft(box: Sandbox, store: Store): Promise<string[]> {
  const rows = store.containers.list()
  const services = store.services.list().map(each => `${box.instance}.${each.plugin}.${each.name}`)
  const there = (await box.containers()).filter(each => !services.includes(each))
  return [
    ...(await missing(box, store)),
    ...rows.filter(each => each.state !== 'wanted').map(each => `container ${each.name} is ${each.state}`),
    ...there
      .filter(name => !rows.some(row => row.name === name))
      .map(name => `container ${name} is nobody's`),
  ]
}

async function networksLeft(box: Sandbox, store: Store): Promise<string[]> {
  const services = store.services.list().map(each => `${box.instance}.${each.plugin}.${each.name}`)
  const rows = [...store.networks.list().map(each => each.name), ...services]
  const there = await box.networks()
  return [
    ...there.filter(each => !rows.includes(each)).map(each => `network ${each} is nobody's`),
    ...rows.filter(each => !there.includes(each)).map(each => `network ${each} is not there`),
  ]
}

async function imagesLeft({ engine, instance }: Sandbox, store: Store): Promise<string[]> {
  const images = await engine.images({ 'com.davit.instance': instance })
  const apps = store.apps.list()
  const tagOf = (release: Release) => `davit-app/${instance}/${release.app}:${release.number}`
  const served = apps
    .flatMap(app => store.releases.list(app.name))
    .filter(wasLive)
    .map(tagOf)
  const tags = images.flatMap(each => each.tags)
  const live = apps.flatMap(app => store.releases.live(app.name) ?? []).map(tagOf)
  return [
    ...images.filter(each => each.tags.length === 0).map(each => `image ${each.id} has no name`),
    ...tags
      .filter(each => each.startsWith('davit-app/') && !served.includes(each))
      .map(each => `image ${each} is of no release`),
    ...live.filter(each => !tags.includes(each)).map(each => `image ${each} is not there`),
  ]
}

function wasLive({ state }: Release): boolean {
  return state === 'live' || state === 'superseded'
}

function releasesLeft(store: Store): string[] {
  return store.apps.list().flatMap(({ name }) => {
    const releases = store.releases.list(name)
    const live = releases.filter(each => each.state === 'live')
    const expected = releases.some(wasLive) ? 1 : 0
    const pending = releases.filter(each => each.state === 'pending')
    return [
      ...pending.map(each => `release ${each.number} of ${name} is pending`),
      ...(live.length === expected ? [] : [`${live.length} releases of ${name} are live`]),
    ]
  })
}

/** Half-written files, pushes in quarantine, repositories without an app. */
async function filesLeft({ data }: Sandbox, store: Store): Promise<string[]> {
  const paths = await readdir(data, { recursive: true })
  const half = paths.filter(each =>
    /(^|\/)(\.tmp-|tmp_|(tmp_objdir-)?incoming-)|\.(next|lock|tmp)$|\.broken-/.test(each),
  )
  const repositories = (await readdir(join(data, 'git'))).filter(each => each.endsWith('.git'))
  const apps = store.apps.list().map(each => `${each.name}.git`)
  return [
    ...half.map(each => `file ${each} is half written`),
    ...repositories.filter(each => !apps.includes(each)).map(each => `repository ${each} is nobody's`),
    ...apps.filter(each => !repositories.includes(each)).map(each => `repository ${each} is not there`),
  ]
}

async function routesLeft({ data }: Sandbox, store: Store): Promise<string[]> {
  const routes = await openTableFile(join(data, 'proxy'), undefined, pino({ level: 'silent' })).load()
  const led = routes.flatMap(({ upstreams }) => Object.keys(upstreams)).sort()
  const wanted = store.containers.list().filter(each => each.process === 'web' && each.state === 'wanted')
  const names = wanted.map(each => each.name).sort()
  return led.join() === names.join() ? [] : [`the proxy leads to ${led} instead of ${names}`]
}
