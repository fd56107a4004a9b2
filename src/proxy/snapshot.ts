import { constants } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { certificateOf, optionsOf, routesOf } from '../edge/shape.ts'
import { listOf, objectOf, textOf } from '../edge/values.ts'
import { type EdgeOptions, usualOptions } from '../edge/wire.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { openSeal, type Seal } from '../seal.ts'
import type { Certificate, Route } from '../types.ts'

/** What was told last, on the disk, so that the proxy starts alone. */
export interface Snapshot {
  loadRoutes(): Promise<readonly Route[]>
  saveRoutes(routes: readonly Route[]): Promise<void>
  loadCertificates(): Promise<readonly Certificate[]>
  saveCertificates(certificates: readonly Certificate[]): Promise<void>
  loadOptions(): Promise<EdgeOptions>
  saveOptions(options: EdgeOptions): Promise<void>
}

const version = 1

/**
 * Certificates and hashes of passwords are sealed, with a key of the proxy's own. Without one they are not kept: the daemon tells them at
 * every connection, and until then nobody is let in by a password.
 */
export function openSnapshot(dir: string, log: Logger): Snapshot {
  const seal = sealIn(dir, log)
  return {
    loadRoutes: () =>
      load(
        join(dir, 'table.json'),
        file => routesOf(listOf(file.routes, 'routes').map(each => withUsers(each, seal))),
        log,
      ),
    saveRoutes: routes =>
      replace(join(dir, 'table.json'), { version, routes: routes.map(each => withoutUsers(each, seal)) }),
    loadOptions: async () => {
      const [options = usualOptions] = await load(
        join(dir, 'options.json'),
        file => [optionsOf(file.options)],
        log,
      )
      return options
    },
    saveOptions: options => replace(join(dir, 'options.json'), { version, options }),
    loadCertificates: async () =>
      seal
        ? load(join(dir, 'certificates.json'), file => listOf(file.sealed, 'sealed').map(opened(seal)), log)
        : [],
    saveCertificates: async certificates => {
      if (seal)
        await replace(join(dir, 'certificates.json'), { version, sealed: certificates.map(sealed(seal)) })
    },
  }
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

const place = ['proxy', 'certificate']

function sealed(seal: Seal) {
  return (certificate: Certificate) => seal.seal(JSON.stringify(certificate), place).toString('base64')
}

function opened(seal: Seal) {
  return (text: unknown) =>
    certificateOf(JSON.parse(seal.open(Buffer.from(textOf(text, 'sealed', 1e6), 'base64'), place)))
}

function sealIn(dir: string, log: Logger): Seal | undefined {
  try {
    return openSeal(join(dir, 'seal.key'), { make: true })
  } catch (error) {
    log.error(`certificates are not kept on the disk: ${messageOf(error)}`)
    return undefined
  }
}

/** What cannot be read is set aside, and there is nothing until the daemon tells it. */
async function load<T>(
  path: string,
  read: (file: Record<string, unknown>) => readonly T[],
  log: Logger,
): Promise<readonly T[]> {
  try {
    const file = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    if (file?.version !== version) throw new Error('its version is another')
    return read(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    const aside = `${path}.broken-${Date.now()}`
    log.error(`${path} cannot be read (${messageOf(error)}); it is kept as ${aside}`)
    await rename(path, aside).catch(failed => log.error(`it cannot be set aside: ${messageOf(failed)}`))
    return []
  }
}

/** After a power cut there is the old file or the new one, whole. */
async function replace(path: string, content: object): Promise<void> {
  const next = `${path}.next`
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW
  const file = await open(next, flags, 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(JSON.stringify(content))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(next, path)
  const folder = await open(dirname(path), constants.O_RDONLY)
  await folder.sync().finally(() => folder.close())
}
