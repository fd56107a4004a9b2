import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

import { messageOf, UserError } from '../errors.ts'
import { type Api, answered, path } from './api.ts'
import { bodyOf, restartPolicy } from './body.ts'
import type { ContainerInfo, Labels, NewContainer } from './engine.ts'
import { filters, inspectAll } from './filters.ts'
import { connect } from './networks.ts'

/** UserError `image-missing`, `mount-missing`. */
export async function create(api: Api, container: NewContainer): Promise<string> {
  try {
    // A name is unique on the engine; environment and command go in the body and never in the address.
    const query = { name: container.name }
    const { Id } = await api.ask<{ Id: string }>('POST', '/containers/create', {
      query,
      body: bodyOf(container),
    })
    await join(api, container)
    return Id
  } catch (error) {
    throw mended(error, container)
  }
}

/** The engine takes one network along with the container; the others before it starts. */
async function join(api: Api, { name, joins = {} }: NewContainer): Promise<void> {
  for (const [network, joined] of Object.entries(joins)) {
    try {
      await connect(api, name, network, joined)
    } catch (error) {
      await remove(api, name)
      throw error
    }
  }
}

function mended(error: unknown, { spec }: NewContainer): unknown {
  if (!answered(error, 400, 404)) return error
  if (/no such image/i.test(error.message)) {
    return new UserError('image-missing', `Image ${spec.image} is not on this host.`, undefined, {
      cause: error,
    })
  }
  const [, source] = /bind source path does not exist: (.*)$/.exec(error.message) ?? []
  if (source) {
    return new UserError('mount-missing', `${source} is to be mounted, but does not exist.`, undefined, {
      cause: error,
    })
  }
  return error
}

/** Running already is fine. UserError `address-taken`. */
export async function start(api: Api, name: string): Promise<void> {
  try {
    await api.ask('POST', path`/containers/${name}/start`, { idempotent: true })
  } catch (error) {
    if (error instanceof Error && /address already in use/i.test(error.message)) {
      throw new UserError('address-taken', `The address of ${name} is in use.`, undefined, { cause: error })
    }
    throw error
  }
}

export async function stop(api: Api, name: string, { seconds }: { seconds: number }): Promise<void> {
  const query = { t: Math.ceil(seconds) }
  try {
    await api.ask('POST', path`/containers/${name}/stop`, { query, seconds: seconds + 60, idempotent: true })
  } catch (error) {
    if (!answered(error, 404)) throw error
  }
}

/** Gone or stopped already is fine. */
export async function kill(api: Api, name: string, { signal }: { signal: string }): Promise<void> {
  try {
    await api.ask('POST', path`/containers/${name}/kill`, { query: { signal } })
  } catch (error) {
    if (!answered(error, 404, 409)) throw error
  }
}

export async function remove(api: Api, name: string): Promise<void> {
  try {
    await api.ask('DELETE', path`/containers/${name}`, { query: { force: true, v: true }, idempotent: true })
  } catch (error) {
    if (answered(error, 409)) await removed(api, name)
    else if (!answered(error, 404)) throw error
  }
}

// Conflict: someone is removing it already. It is gone when that one has finished.
async function removed(api: Api, name: string): Promise<void> {
  try {
    await api.ask('POST', path`/containers/${name}/wait`, {
      query: { condition: 'removed' },
      idempotent: true,
    })
  } catch (error) {
    if (!answered(error, 404)) throw error
  }
}

export async function setRestart(api: Api, name: string, restart: boolean): Promise<void> {
  const body = { RestartPolicy: restartPolicy(restart) }
  for (let tries = 0; ; tries++) {
    try {
      await api.ask('POST', path`/containers/${name}/update`, { body, idempotent: true })
      return
    } catch (error) {
      // One whose removal an engine began before it was killed only waits to be removed.
      if (answered(error, 404) || messageOf(error).includes('marked for removal')) return
      // It has just ended, and the engine has not yet heard so.
      if (tries === 20 || !messageOf(error).includes('cannot update a stopped container')) throw error
      await pause(50)
    }
  }
}

export async function rename(api: Api, name: string, to: string): Promise<void> {
  await api.ask('POST', path`/containers/${name}/rename`, { query: { name: to } })
}

/** A container that was never started answers at once. */
export async function wait(api: Api, name: string, { signal }: { signal: AbortSignal }): Promise<number> {
  const { StatusCode } = await api.ask<{ StatusCode: number }>('POST', path`/containers/${name}/wait`, {
    query: { condition: 'not-running' },
    signal,
    seconds: Infinity,
    idempotent: true,
  })
  return StatusCode
}

interface RawContainer {
  readonly Id: string
  readonly Name: string
  readonly Created: string
  readonly RestartCount: number
  readonly Config: { readonly Labels: Labels | null }
  readonly State: {
    readonly Status: ContainerInfo['state']
    readonly ExitCode: number
    readonly OOMKilled: boolean
    readonly StartedAt: string
    readonly FinishedAt: string
  }
  readonly NetworkSettings: {
    readonly Networks: Readonly<
      Record<
        string,
        { readonly IPAddress: string; readonly IPAMConfig: { readonly IPv4Address?: string } | null }
      >
    >
  }
}

export async function inspect(api: Api, name: string): Promise<ContainerInfo | undefined> {
  try {
    return infoOf(await api.ask<RawContainer>('GET', path`/containers/${name}/json`))
  } catch (error) {
    if (answered(error, 404)) return undefined
    throw error
  }
}

export async function containers(api: Api, labels: Labels): Promise<readonly ContainerInfo[]> {
  const query = { all: true, ...filters({ labels }) }
  const found = await api.ask<readonly { Id: string }[]>('GET', '/containers/json', { query })
  const infos = await inspectAll(found, ({ Id }) => inspect(api, Id))
  return [...infos].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function infoOf({
  Id,
  Name,
  Created,
  RestartCount,
  Config,
  State,
  NetworkSettings,
}: RawContainer): ContainerInfo {
  return {
    id: Id,
    name: Name.replace(/^\//, ''),
    labels: Config.Labels ?? {},
    state: State.Status,
    exitCode: dateOf(State.FinishedAt) ? State.ExitCode : null,
    outOfMemory: State.OOMKilled,
    restarts: RestartCount,
    addresses: Object.fromEntries(
      Object.entries(NetworkSettings.Networks).map(([network, { IPAddress, IPAMConfig }]) => [
        network,
        IPAddress || IPAMConfig?.IPv4Address || '',
      ]),
    ),
    startedAt: dateOf(State.StartedAt),
    createdAt: new Date(Created),
  }
}

// The engine writes "never" as the first day of the year 1.
function dateOf(text: string): Date | undefined {
  return text.startsWith('0001-') ? undefined : new Date(text)
}

/** UserError `no-file` where it has none, or is not there itself. */
export async function copyOut(
  api: Api,
  name: string,
  file: string,
  { signal }: { signal: AbortSignal },
): Promise<Readable> {
  try {
    return await api.stream('GET', path`/containers/${name}/archive`, { query: { path: file }, signal })
  } catch (cause) {
    if (!answered(cause, 404)) throw cause
    throw new UserError('no-file', `${name} has no ${file}.`, undefined, { cause })
  }
}
