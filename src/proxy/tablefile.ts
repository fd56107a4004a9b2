import { constants } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { appOf, routeOf } from '../edge/route.ts'
import { listOf, objectOf, textOf, wholeOf } from '../edge/values.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Seal } from '../seal.ts'
import type { Route } from '../types.ts'
import { openOwn, readWhole, replaceWhole, setAside, syncFolder, version } from './wholefile.ts'

/**
 * The table on the disk: the whole of it, and files with a line for each change since, so that a change costs what its own app has. The
 * whole says from which of these files on they count.
 */
export interface TableFile {
  load(): Promise<readonly Route[]>
  /** Settles when a kill does not lose it; what it answers, when a power cut does not either. */
  add(change: TableChange): Promise<{ readonly onDisk: Promise<void> }>
  /** All of it anew. What is added from now on is not in it, and counts. */
  save(routes: readonly Route[]): Promise<void>
  /** Bytes since it was whole. */
  added(): number
}

export type TableChange = { readonly route: Route } | { readonly forget: string }

/** More than is ever left behind a table. */
const manyBytes = 2 ** 40

/** Hashes of passwords are sealed. Without a seal they are not kept. */
export function openTableFile(dir: string, seal: Seal | undefined, log: Logger): TableFile {
  const path = join(dir, 'table.json')
  const changesPath = (number: number) => join(dir, `table.${number}.changes`)
  let next = 1
  let added = 0
  /** Never one of an earlier process: its end may be half a line. */
  let adding: Adding | undefined

  return {
    added: () => added,
    async load() {
      const whole = await readWhole(path, file => wholeIn(file, seal), log)
      const numbers = await numbersIn(dir)
      next = Math.max(0, ...numbers) + 1
      const routes = new Map<string, Route>()
      if (whole === 'broken') {
        for (const each of numbers) await setAside(changesPath(each), 'what it changes is not known', log)
        return []
      }
      for (const route of whole?.routes ?? []) routes.set(route.app, route)
      if (whole?.since === Number.POSITIVE_INFINITY) {
        // Nothing that is added to it would count: it is due to be written anew with the first change.
        added = manyBytes
        return [...routes.values()]
      }
      next = Math.max(next, whole?.since ?? 0)
      for (const number of numbers) {
        if (whole && number < whole.since) continue
        added += await readChanges(changesPath(number), { routes, seal, log })
      }
      return [...routes.values()]
    },
    async add(change) {
      adding ??= openAdding(changesPath(next++), dir)
      const to = adding
      const line = `${JSON.stringify('route' in change ? { route: withoutUsers(change.route, seal) } : change)}\n`
      added += line.length
      try {
        await to.write(line)
      } catch (error) {
        if (adding === to) {
          adding = undefined
          // Node ends a process that leaves it to be collected; that it cannot be closed either is the same failure.
          await to.close().catch(() => undefined)
        }
        throw error
      }
      return { onDisk: to.sync() }
    },
    async save(routes) {
      const since = next
      const before = { added, adding }
      adding = undefined
      await replaceWhole(path, {
        facts: { since },
        list: ['routes', withoutUsersEach(routes, seal)],
      })
      added -= before.added
      await before.adding?.close()
      for (const number of await numbersIn(dir)) if (number < since) await rm(changesPath(number))
    },
  }
}

interface Adding {
  write(line: string): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

function openAdding(path: string, dir: string): Adding {
  const opened = openOwn(path, constants.O_APPEND | constants.O_TRUNC)
  let written = opened.then(file => file.appendFile(`${JSON.stringify({ version })}\n`))
  let synced = written.then(() => syncFolder(dir))
  let waiting: Promise<void> | undefined
  synced.catch(() => undefined)
  return {
    write(line) {
      written = written.then(async () => (await opened).appendFile(line))
      return written
    },
    /** One for all that come while another is under way. */
    sync() {
      waiting ??= synced.then(async () => {
        waiting = undefined
        await (await opened).datasync()
      })
      synced = waiting
      return waiting
    },
    async close() {
      await Promise.allSettled([written, synced])
      await opened.then(file => file.close())
    },
  }
}

/** By number. */
async function numbersIn(dir: string): Promise<readonly number[]> {
  const names = await readdir(dir)
  const numbers = names.flatMap(name => /^table\.(\d{1,15})\.changes$/.exec(name)?.[1] ?? [])
  return numbers.map(Number).sort((a, b) => a - b)
}

interface Reading {
  readonly routes: Map<string, Route>
  readonly seal: Seal | undefined
  readonly log: Logger
}

/** Answers how many bytes it has. After a power cut its last line may be half of one. */
async function readChanges(path: string, { routes, seal, log }: Reading): Promise<number> {
  try {
    const text = await readFile(path, 'utf8')
    const end = text.lastIndexOf('\n') + 1
    if (end < text.length) log.warn(`the last line of ${path} is not whole, and does not count`)
    const lines = text.slice(0, end).split('\n').slice(0, -1)
    for (const [at, line] of lines.entries()) {
      const said = objectOf(JSON.parse(line), 'a line')
      if (at > 0) apply(said, routes, seal)
      else if (said.version !== version) throw new Error('its version is another')
    }
    return text.length
  } catch (error) {
    await setAside(path, messageOf(error), log)
    return 0
  }
}

function apply(
  change: Readonly<Record<string, unknown>>,
  routes: Map<string, Route>,
  seal: Seal | undefined,
) {
  if (change.forget !== undefined) return void routes.delete(appOf(change.forget))
  const route = routeOf(withUsers(change.route, seal))
  routes.set(route.app, route)
}

/** One that does not say from where on changes count was written by a program that knew of none. */
function wholeIn(file: Readonly<Record<string, unknown>>, seal: Seal | undefined) {
  return {
    routes: listOf(file.routes, 'routes').map(each => routeOf(withUsers(each, seal))),
    since:
      file.since === undefined
        ? Number.POSITIVE_INFINITY
        : wholeOf(file.since, 'since', Number.MAX_SAFE_INTEGER),
  }
}

function* withoutUsersEach(routes: Iterable<Route>, seal: Seal | undefined): Generator<object> {
  for (const route of routes) yield withoutUsers(route, seal)
}

/** A route as it lies on the disk. */
function withoutUsers(route: Route, seal: Seal | undefined): object {
  if (!route.auth) return route
  const { users, ...auth } = route.auth
  const sealedUsers = seal?.seal(JSON.stringify(users), usersPlace(route)).toString('base64')
  return { ...route, auth: { ...auth, users: {} }, sealedUsers }
}

function withUsers(value: unknown, seal: Seal | undefined): object {
  const { sealedUsers, ...route } = objectOf(value, 'route')
  if (sealedUsers === undefined || !seal) return route
  const text = Buffer.from(textOf(sealedUsers, 'sealedUsers', 1e7), 'base64')
  const users = JSON.parse(seal.open(text, usersPlace(route as unknown as Route))) as unknown
  return { ...route, auth: { ...objectOf(route.auth, 'auth'), users } }
}

const usersPlace = ({ app }: Route) => ['proxy', 'users', String(app)]
