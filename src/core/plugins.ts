import { mkdir, rename, rm } from 'node:fs/promises'

import { crashAt } from '../deploy/crash.ts'
import { UserError } from '../errors.ts'
import type { Catalogue, Installed, PluginFacts, PluginOrigin } from '../plugin/catalogue.ts'
import type { Place } from '../plugin/load.ts'
import type { Standing } from '../plugin/roster.ts'
import type { Call } from '../types.ts'
import { type Copy, readPluginName, withCopy } from './plugin-copy.ts'
import { isProgramFolder, placesOf, pluginFolder } from './plugin-places.ts'
import { finishPurge, keptOnly, notePurge, purgeKept } from './plugin-purge.ts'
import type { Rooms } from './rooms.ts'

/**
 * Plugins that come, change and go. A version counts from the moment its row is written; what was begun and has no row is swept at the next
 * start.
 */
export function createPlugins(roomsOf: () => Rooms): Catalogue {
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work)
    turn = mine
    return mine
  }
  return {
    list: () =>
      roomsOf()
        .roster.list()
        .map(each => factsOf(each, roomsOf())),
    get: name => factsOf(standingOf(name, roomsOf()), roomsOf()),
    install: (origin, { name }, call) => inTurn(() => install(origin, { name, call }, roomsOf())),
    update: (name, { committish }, call) => inTurn(() => update(name, { committish, call }, roomsOf())),
    uninstall: (name, { purge }, call) => inTurn(() => uninstall(name, { purge, call }, roomsOf())),
    enable: (name, call) => inTurn(() => enable(name, call, roomsOf())),
    disable: (name, call) => inTurn(() => disable(name, call, roomsOf())),
  }
}

async function install(
  origin: PluginOrigin,
  { name: given, call }: { name: string | undefined; call: Call },
  rooms: Rooms,
): Promise<Installed> {
  const wanted = given === undefined ? undefined : readPluginName(given)
  return withCopy(origin, call, rooms, copy => {
    const name = wanted ?? copy.name
    const there = rooms.store.plugins.find(name)?.installed
    if (rooms.roster.find(name)?.origin === 'davit')
      throw new UserError(
        'name-taken',
        `Davit itself brings a plugin ${name}.`,
        'Give it another one: --name NAME',
      )
    if (origin.kind === 'git' && there && (there.source !== copy.source || there.commit !== copy.commit))
      throw new UserError(
        'plugin-there',
        `${name} is installed already, from ${there.source}.`,
        `Bring it up to date with: plugin:update ${name}`,
      )
    return putIn({ ...copy, name }, call, rooms)
  })
}

async function update(
  name: string,
  { committish, call }: { committish: string | undefined; call: Call },
  rooms: Rooms,
): Promise<Installed> {
  const { source, committish: before } = installedOf(name, rooms)
  if (source === 'tar')
    throw new UserError(
      'plugin-own',
      `${name} came in a tar, so there is nowhere to fetch it from.`,
      'Send it again: tar -c . | ssh HOST plugin:install -',
    )
  const origin = { kind: 'git', url: source, committish: committish ?? before } as const
  return withCopy(origin, call, rooms, copy => putIn({ ...copy, name }, call, rooms))
}

/** The new version is on before it counts, and the old one is on until then. */
async function putIn(copy: Copy, call: Call, rooms: Rooms): Promise<Installed> {
  const { store, roster, settings } = rooms
  const { name, commit } = copy
  const place: Place = {
    name,
    folder: pluginFolder(rooms, name, commit),
    version: commit,
    origin: 'installed',
  }
  const before = store.plugins.find(name)?.installed
  const isSame = before?.commit === commit
  const old = roster.find(name)
  if (isSame && roster.find(name)?.off === undefined) {
    store.plugins.put(name, copy)
    return { plugin: factsOf(standingOf(name, rooms), rooms), was: 'as-before' }
  }
  crashAt('plugin:copied', settings)
  await mkdir(pluginFolder(rooms, name), { recursive: true, mode: 0o711 })
  await rm(place.folder, { recursive: true, force: true })
  await rename(copy.folder, place.folder)
  crashAt('plugin:placed', settings)
  try {
    await roster.admit(place)
    crashAt('plugin:admitted', settings)
    store.plugins.put(name, copy)
  } catch (error) {
    if (!isSame) await rm(place.folder, { recursive: true, force: true })
    throw error
  }
  crashAt('plugin:recorded', settings)
  await tellRoutes([old, roster.find(name)], call, rooms)
  tell('plugin-on', `The plugin ${name} is on, at ${commit.slice(0, 10)}.`, { name, call }, rooms)
  return {
    plugin: factsOf(standingOf(name, rooms), rooms),
    was: isSame ? 'off' : before ? 'another' : 'new',
  }
}

async function uninstall(
  name: string,
  { purge, call }: { purge: boolean; call: Call },
  rooms: Rooms,
): Promise<void> {
  const { store, roster, settings } = rooms
  if (purge && keptOnly(name, rooms)) return purgeKept(name, rooms)
  const { hides } = factsOf(standingOf(name, rooms), rooms)
  if (hides) {
    store.plugins.remove(name)
    return rm(pluginFolder(rooms, name, hides.commit), { recursive: true, force: true })
  }
  const { commit } = installedOf(name, rooms)
  checkNobodyNeeds(name, 'uninstalled', rooms)
  const apps = store.dependencies.on(name)
  if (apps.length > 0)
    throw new UserError(
      'plugin-depended',
      `${name} cannot be uninstalled: ${apps.join(', ')} ${apps.length === 1 ? 'depends' : 'depend'} on it.`,
      'Take it out of use there first.',
    )
  const services = store.services.list().filter(each => each.plugin === name)
  if (services.length > 0)
    throw new UserError(
      'plugin-depended',
      `${name} cannot be uninstalled: it runs ${services.map(each => each.name).join(', ')}.`,
      'Destroy what it runs first.',
    )
  const old = standingOf(name, rooms)
  if (purge) notePurge(old, rooms)
  else store.plugins.remove(name)
  crashAt('plugin:removed', settings)
  const { stopped } = await roster.forget(name)
  await rm(pluginFolder(rooms, name, commit), { recursive: true, force: true })
  await tellRoutes([old], call, rooms)
  tell('plugin-off', `The plugin ${name} was uninstalled.`, { name, call }, rooms)
  if (!purge) return
  // What it may still write down at its end goes too.
  await stopped
  await finishPurge(name, rooms)
}

async function enable(name: string, call: Call, rooms: Rooms): Promise<boolean> {
  const { store, roster } = rooms
  if (standingOf(name, rooms).off === undefined) return false
  await roster.admit(placesOf(rooms).find(each => each.name === name)!)
  store.plugins.enable(name)
  await tellRoutes([roster.find(name)], call, rooms)
  tell('plugin-on', `The plugin ${name} is on again.`, { name, call }, rooms)
  return true
}

async function disable(name: string, call: Call, rooms: Rooms): Promise<boolean> {
  const { store, roster } = rooms
  const wasOn = standingOf(name, rooms).off === undefined
  checkNobodyNeeds(name, 'disabled', rooms)
  store.plugins.disable(name)
  await roster.retire(name, 'it is disabled')
  if (wasOn) await tellRoutes([roster.find(name)], call, rooms)
  if (wasOn) tell('plugin-off', `The plugin ${name} was disabled.`, { name, call }, rooms)
  return wasOn
}

/** What a plugin makes of routes is in force once it is on, and gone once it is off; an app that depends on it stays as it is. Mounts follow by themselves. */
async function tellRoutes(
  changed: readonly (Standing | undefined)[],
  call: Call,
  { routes }: Rooms,
): Promise<void> {
  const shapes = changed.some(each =>
    each?.hooks.some(hook => hook === 'shapeRoute' || hook === 'findCertificate'),
  )
  if (!shapes) return
  for (const failed of await routes.refreshAll(call)) call.out.warn(failed)
}

function checkNobodyNeeds(name: string, how: string, { roster }: Rooms): void {
  const needing = roster.members().filter(({ plugin }) => plugin.needs?.includes(name))
  if (needing.length === 0) return
  const names = needing.map(each => each.plugin.name).join(', ')
  throw new UserError(
    'plugin-needed',
    `${name} cannot be ${how}: ${names} ${needing.length === 1 ? 'needs' : 'need'} it.`,
    `Disable ${names} first.`,
  )
}

function tell(
  kind: 'plugin-on' | 'plugin-off',
  text: string,
  { name, call }: { name: string; call: Call },
  { events }: Rooms,
): void {
  events.tell({ kind, text, by: call.by.person, data: { plugin: name } })
}

function standingOf(name: string, { roster }: Rooms): Standing {
  const found = roster.find(name)
  if (found) return found
  throw new UserError('plugin-missing', `There is no plugin ${name}.`, 'See what there is: plugin:list')
}

function installedOf(name: string, rooms: Rooms) {
  const { origin } = standingOf(name, rooms)
  const installed = rooms.store.plugins.find(name)?.installed
  if (origin === 'installed' && installed) return installed
  throw new UserError(
    'plugin-own',
    `${name} came with Davit, and changes with it.`,
    `Turn it off with: plugin:disable ${name}`,
  )
}

function factsOf(standing: Standing, { store }: Rooms): PluginFacts {
  const { name, version, origin, plugin, hooks, off, folder, failure } = standing
  const record = store.plugins.find(name)?.installed
  const installed = origin === 'installed' ? record : undefined
  return {
    ...{ name, version, origin, hooks, off, failure },
    hides: origin === 'davit' ? record : undefined,
    about: plugin?.about ?? '',
    source: installed?.source,
    committish: installed?.committish,
    installedAt: installed?.at,
    api: plugin?.api,
    needs: plugin?.needs ?? [],
    commands: (plugin?.commands ?? []).map(each => each.name),
    executable: isProgramFolder(folder),
    apps: store.dependencies.on(name),
  }
}
