import { UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type Arranged, arrange } from './arrange.ts'
import { explain } from './blame.ts'
import type { Failure } from './catalogue.ts'
import { contextOf } from './context.ts'
import type { Core } from './core.ts'
import type { Kv, Plugin } from './define.ts'
import type { Failed, Member } from './driver.ts'
import type { Executables } from './executable.ts'
import { hookNames } from './hooks.ts'
import { createReader, type Place, type Read } from './load.ts'
import { openShift, type Shift } from './shift.ts'

/** A plugin that is there, and how it stands. */
export interface Standing extends Place {
  /** Undefined while it cannot be read. */
  readonly plugin: Plugin | undefined
  readonly hooks: readonly string[]
  /** Why it is off; undefined when it is on. */
  readonly off: string | undefined
  /** What went wrong last in one of its hooks or mounts since it is on. */
  readonly failure: Failure | undefined
}

/** What the plugin of that name may ask for. */
export type CoreOf = (plugin: string) => Core

/** Which plugins there are, and which are on. They come and go while the daemon runs. */
export interface Roster {
  /** Those that are on, in the order of their needs; another list after each change. */
  members(): readonly Member[]
  list(): readonly Standing[]
  find(name: string): Standing | undefined
  /** At the daemon's start. A plugin that cannot be read or started is off, with its reason, and the others are on. */
  load(places: readonly (Place & { readonly off?: string | undefined })[], core: CoreOf): Promise<void>
  /**
   * A plugin more, or another version in place of the one that is on, which ends once nobody waits for it any more. UserError `plugin-refused`
   * when it cannot be read, does not fit in or does not start: then nothing has changed.
   */
  admit(place: Place): Promise<void>
  /** Off at once, with those that need it; what waits for it is told so. */
  turnOff(name: string, reason: string): void
  /** Off once nobody waits for it any more, with those that need it. */
  retire(name: string, reason: string): Promise<void>
  /** As if it had never been there. It is off already, or goes off as in `retire`; `stopped` settles when it has. */
  forget(name: string): Promise<{ readonly stopped: Promise<void> }>
  /** Told of what goes wrong in hooks and mounts. */
  readonly failed: Failed
  /** Stops all, the last one first. */
  close(): Promise<void>
}

export interface RosterOptions {
  /** Where plugins' own folders are made, each in one of the plugin's name. */
  readonly data: string
  /** Names of the commands that Davit has itself. */
  readonly commands: readonly string[]
  readonly kv: (plugin: string) => Kv
  readonly executables: Executables
  readonly log: Logger
  /** Aborts when the daemon is asked to end. */
  readonly signal: AbortSignal
  /** Told when a plugin has gone off without having been asked to, or could not come on. */
  readonly fault?: (name: string, reason: string) => void
  /** Told which plugin is being read or started now, when Davit starts; undefined: none. */
  readonly starting?: (name: string | undefined) => void
  /** Told whenever plugins have come or gone. */
  readonly changed?: (members: readonly Member[]) => void
}

interface Entry {
  readonly place: Place
  readonly plugin?: Plugin | undefined
  /** Of its own; what others lack is worked out each time. */
  readonly off?: string | undefined
  readonly shift?: Shift | undefined
  readonly failure?: Failure | undefined
}

export function openRoster(options: RosterOptions): Roster {
  const { log, commands, fault = nothing, changed = nothing, starting = nothing } = options
  const read = createReader(options.executables)
  const entries = new Map<string, Entry>()
  const given: { core?: CoreOf } = {}
  let members: readonly Member[] = []
  let arranged: Arranged = { ordered: [], refused: new Map() }
  let turn: Promise<unknown> = Promise.resolve()

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work)
    turn = mine
    return mine
  }
  const set = (name: string, change: Partial<Entry>) => {
    entries.set(name, { ...entries.get(name), ...change } as Entry)
  }
  const reasonOf = (name: string) => entries.get(name)?.off ?? arranged.refused.get(name)

  /** Who can be on, by what is known now; whoever was on and no longer can goes off. Answers who can come on. */
  const settle = (): readonly Entry[] => {
    arranged = arrangeAll(entries, commands)
    for (const { place, shift } of entries.values()) {
      const reason = reasonOf(place.name)
      if (!shift || reason === undefined) continue
      drop(place.name, reason)
      fault(place.name, reason)
    }
    members = arranged.ordered.flatMap(({ name }) => entries.get(name)!.shift?.member ?? [])
    changed(members)
    return arranged.ordered.map(({ name }) => entries.get(name)!).filter(entry => !entry.shift)
  }

  const drop = (name: string, reason: string) => {
    const { shift } = entries.get(name)!
    set(name, { shift: undefined })
    log.warn({ plugin: name, reason }, 'a plugin is off')
    shift?.end(new UserError('plugin-off', `The plugin ${name} was turned off: ${reason}`))
  }

  /** One after another, since each may need the ones before. What went wrong is told once all are on: whoever listens may be among them. */
  const bringOn = async () => {
    const failed = new Map<string, string>()
    for (let [next] = settle(); next; [next] = settle()) {
      const { place, plugin } = next
      const shift = openShift(plugin!, contextOf(place.name, options, given.core!), place.folder)
      try {
        starting(place.name)
        await shift.start()
        set(place.name, { shift })
      } catch (error) {
        const reason = `it did not start: ${explain(error, place.folder)}`
        shift.end(error)
        set(place.name, { off: reason })
        log.error({ plugin: place.name, err: error }, 'a plugin did not start')
        failed.set(place.name, reason)
      }
    }
    for (const [name, reason] of failed) fault(name, reason)
    for (const [name, reason] of arranged.refused) log.error({ plugin: name, reason }, 'a plugin is off')
  }

  return {
    members: () => members,
    list: () => [...entries.values()].map(entry => standing(entry, reasonOf)).sort(byName),
    find: name => {
      const entry = entries.get(name)
      return entry && standing(entry, reasonOf)
    },
    load: (places, core) =>
      inTurn(async () => {
        given.core = core
        for (const { off, ...place } of places) {
          const twice = entries.has(place.name)
          starting(place.name)
          if (twice) log.error({ plugin: place.name }, 'there is another plugin of that name')
          else
            entries.set(place.name, { place, ...(off === undefined ? resultOf(await read(place)) : { off }) })
        }
        for (const { place, off } of entries.values())
          if (off !== undefined) log.error({ plugin: place.name, reason: off }, 'a plugin is off')
        await bringOn()
        for (const [name, reason] of arranged.refused) fault(name, reason)
        starting(undefined)
      }),
    admit: place =>
      inTurn(async () => {
        const { name } = place
        const { plugin, off } = resultOf(await read(place))
        if (!plugin) throw refused(name, off!)
        const before = entries.get(name)
        const next = new Map(entries).set(name, { place, plugin })
        const { refused: out } = arrangeAll(next, commands)
        if (out.has(name)) throw refused(name, out.get(name)!)
        for (const [other, reason] of out)
          if (entries.get(other)?.shift) throw refused(name, `with it, ${other} would be off: ${reason}`)
        const shift = openShift(plugin, contextOf(name, options, given.core!), place.folder)
        await shift.start().catch(error => {
          shift.end(error)
          throw refused(name, `it did not start: ${explain(error, place.folder)}`, error)
        })
        entries.set(name, { place, plugin, shift })
        await bringOn()
        void before?.shift?.retire(log)
        log.info({ plugin: name, version: place.version }, 'a plugin is on')
      }),
    turnOff(name, reason) {
      if (!entries.has(name) || reasonOf(name) !== undefined) return
      set(name, { off: reason })
      drop(name, reason)
      fault(name, reason)
      settle()
    },
    retire: (name, reason) =>
      inTurn(async () => {
        const shift = entries.get(name)?.shift
        set(name, { off: reason, shift: undefined })
        settle()
        void shift?.retire(log)
      }),
    forget: name =>
      inTurn(async () => {
        const shift = entries.get(name)?.shift
        entries.delete(name)
        settle()
        return { stopped: shift?.retire(log) ?? Promise.resolve() }
      }),
    failed(name, { message }) {
      if (entries.has(name)) set(name, { failure: { at: new Date(), text: message } })
    },
    close: () =>
      inTurn(async () => {
        for (const { plugin } of members.toReversed()) await entries.get(plugin.name)?.shift?.stop(log)
      }),
  }
}

function nothing(): void {}

function arrangeAll(entries: ReadonlyMap<string, Entry>, commands: readonly string[]): Arranged {
  const all = [...entries.values()]
  const fit = all.flatMap(({ plugin, off }) => (plugin && off === undefined ? [plugin] : []))
  const off = new Set(all.filter(each => each.off !== undefined).map(each => each.place.name))
  return arrange(fit, { commands, off })
}

function resultOf(read: Read): { plugin?: Plugin; off?: string } {
  return 'plugin' in read ? { plugin: read.plugin } : { off: read.reason }
}

function standing(
  { place, plugin, failure }: Entry,
  reasonOf: (name: string) => string | undefined,
): Standing {
  const hooks = hookNames.filter(name => plugin?.hooks?.[name])
  return { ...place, plugin, hooks, off: reasonOf(place.name), failure }
}

function refused(name: string, reason: string, cause?: unknown): UserError {
  return new UserError('plugin-refused', `The plugin ${name} cannot be used: ${reason}.`, undefined, {
    cause,
  })
}

function byName(one: Standing, other: Standing): number {
  return one.name < other.name ? -1 : 1
}
