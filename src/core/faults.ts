import { readFileSync, rmSync, writeFileSync } from 'node:fs'

import { explain, ownerIn } from '../plugin/blame.ts'
import { trail } from '../plugin/trail.ts'
import { type Fault, startWatchdog, type Watchdog } from '../plugin/watchdog.ts'
import { pluginFolder } from './plugin-places.ts'
import type { Rooms } from './rooms.ts'

type Watching = Pick<Rooms, 'settings' | 'store' | 'roster' | 'log'>

/**
 * What goes wrong in a plugin and is caught by nobody turns that plugin off, and nothing else: an error at once; what ended or held up the
 * process at the next start. What is nobody's ends the process, as it would without this.
 */
export function watchFaults(rooms: Watching): Watchdog {
  const { store, roster, log } = rooms
  const whoseIs = (error: unknown) =>
    ownerIn(String((error as Error | undefined)?.stack ?? ''), roster.list()) ?? trail.getStore()?.plugin
  const blame = (err: unknown) => {
    const plugin = whoseIs(err)
    const found = plugin === undefined ? undefined : roster.find(plugin)
    if (!plugin || !found) throw err
    const reason = `an error of its own was caught by nobody: ${explain(err, found.folder)}`
    log.error({ err, plugin }, 'a plugin is turned off')
    store.plugins.fault(plugin, reason)
    roster.turnOff(plugin, reason)
  }
  const exit = (code: number) => {
    const ended = new Error(`it ended the process, with exit code ${code}`)
    const { stack = '' } = ended
    const plugin = ownerIn(stack, roster.list()) ?? trail.getStore()?.plugin
    if (plugin === undefined) return
    const reason = explain(ended, roster.find(plugin)?.folder)
    note({ plugin, reason, stack: stack.split('\n').slice(1) }, rooms)
  }
  process.on('uncaughtException', blame)
  process.on('unhandledRejection', blame)
  process.on('exit', exit)
  const watchdog = startWatchdog(faultFile(rooms))
  return {
    follow: watchdog.follow,
    close() {
      watchdog.close()
      process.off('uncaughtException', blame)
      process.off('unhandledRejection', blame)
      process.off('exit', exit)
    },
  }
}

/** What ended the last daemon, before any plugin is read: the plugin at fault stays off. */
export function takeUpFault(rooms: Pick<Watching, 'settings' | 'store' | 'log'>): Fault | undefined {
  const fault = lastFault(rooms) ?? lastStart(rooms)
  if (!fault) return undefined
  rooms.log.error({ ...fault }, 'the last daemon was ended')
  if (fault.plugin !== undefined) rooms.store.plugins.fault(fault.plugin, fault.reason)
  for (const file of [faultFile(rooms), startFile(rooms)]) rmSync(file, { force: true })
  return fault
}

/** How often a daemon may end while it starts a plugin: the next one leaves that plugin off. */
const mostStarts = 3

interface Start {
  readonly plugin: string
  /** Which try it is, when the daemons before ended at the same plugin. */
  readonly times: number
}

/** Notes which plugin is being started, for the daemon after one that did not outlive it. */
export function noteStarts(rooms: Pick<Rooms, 'settings' | 'log'>): (plugin: string | undefined) => void {
  const last = read<Start>(startFile(rooms), rooms)
  return plugin => {
    if (plugin === undefined) return rmSync(startFile(rooms), { force: true })
    const times = last?.plugin === plugin ? last.times + 1 : 1
    writeFileSync(startFile(rooms), JSON.stringify({ plugin, times } satisfies Start), { mode: 0o600 })
  }
}

function lastStart(rooms: Pick<Watching, 'settings' | 'log'>): Fault | undefined {
  const last = read<Start>(startFile(rooms), rooms)
  if (!last || last.times < mostStarts) return undefined
  const reason = `the daemon ended ${last.times} times in a row while it was being started`
  return { plugin: last.plugin, reason, stack: [] }
}

function lastFault(rooms: Pick<Watching, 'settings' | 'log'>): Fault | undefined {
  return read<Fault>(faultFile(rooms), rooms)
}

function read<T>(file: string, { log }: Pick<Watching, 'log'>): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') log.error({ err, file }, 'a note could not be read')
    return undefined
  }
}

/** Whoever listens hears that a plugin is off. */
export function tellOff(plugin: string, reason: string, { events }: Pick<Rooms, 'events'>): void {
  const text = `The plugin ${plugin} is off: ${reason}.`
  events.tell({ kind: 'plugin-off', level: 'error', text, data: { plugin, reason } })
}

function note(fault: Fault, rooms: Pick<Watching, 'settings'>): void {
  writeFileSync(faultFile(rooms), JSON.stringify(fault), { mode: 0o600 })
}

function faultFile(rooms: Pick<Rooms, 'settings'>): string {
  return pluginFolder(rooms, 'fault.json')
}

function startFile(rooms: Pick<Rooms, 'settings'>): string {
  return pluginFolder(rooms, 'starting.json')
}
