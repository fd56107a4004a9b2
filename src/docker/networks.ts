import { UserError } from '../errors.ts'
import { type Api, answered, path } from './api.ts'
import type { Joined, Labels, NetworkInfo } from './engine.ts'

interface RawNetwork {
  readonly Name: string
  readonly Labels: Labels | null
  readonly IPAM: { readonly Config: readonly { readonly Subnet?: string }[] | null }
}

/** Everybody's, so that a free subnet can be told from a taken one. */
export async function networks(api: Api): Promise<readonly NetworkInfo[]> {
  const raw = await api.ask<readonly RawNetwork[]>('GET', '/networks')
  return raw.map(infoOf).sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function ensureNetwork(
  api: Api,
  network: { name: string; subnet: string; gateway: string; labels: Labels },
): Promise<void> {
  if (await exists(api, network)) return
  const { name, subnet, gateway, labels } = network
  const body = {
    Name: name,
    CheckDuplicate: true,
    Driver: 'bridge',
    EnableIPv6: false,
    IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: gateway }] },
    Labels: labels,
  }
  try {
    await api.ask('POST', '/networks/create', { body })
  } catch (error) {
    // Someone else may have made it since we looked, and overlap is then with itself.
    if (answered(error, 403, 409, 500) && (await exists(api, network))) return
    if (answered(error, 400, 403, 500) && /overlap|conflicts with network/i.test(error.message)) {
      throw new UserError('subnet-taken', `Another network of the engine uses ${subnet}.`, undefined, {
        cause: error,
      })
    }
    throw error
  }
}

export async function removeNetwork(api: Api, name: string): Promise<void> {
  try {
    await api.ask('DELETE', path`/networks/${name}`, { idempotent: true })
  } catch (error) {
    if (!answered(error, 404)) throw error
  }
}

export async function connect(
  api: Api,
  name: string,
  network: string,
  { aliases, address }: Joined,
): Promise<void> {
  const place = address === undefined ? {} : { IPAMConfig: { IPv4Address: address } }
  const body = { Container: name, EndpointConfig: { Aliases: aliases, ...place } }
  try {
    await api.ask('POST', path`/networks/${network}/connect`, { body })
  } catch (cause) {
    if (answered(cause, 404))
      throw new UserError('network-missing', `Network ${network} is not on this host.`, undefined, { cause })
    if (cause instanceof Error && /address already in use/i.test(cause.message))
      throw new UserError('address-taken', `The address ${address} is in use.`, undefined, { cause })
    throw cause
  }
}

export async function disconnect(api: Api, name: string, network: string): Promise<void> {
  const body = { Container: name, Force: true }
  try {
    await api.ask('POST', path`/networks/${network}/disconnect`, { body, idempotent: true })
  } catch (error) {
    const isOut = error instanceof Error && /is not connected to/i.test(error.message)
    if (!answered(error, 404) && !isOut) throw error
  }
}

async function exists(api: Api, { name, subnet }: { name: string; subnet: string }): Promise<boolean> {
  const there = (await networks(api)).find(network => network.name === name)
  if (!there || there.subnets.includes(subnet)) return there !== undefined
  throw new UserError('network-taken', `Network ${name} is there already, with ${there.subnets.join(', ')}.`)
}

function infoOf({ Name, Labels, IPAM }: RawNetwork): NetworkInfo {
  const subnets = (IPAM.Config ?? []).flatMap(({ Subnet }) => (Subnet ? [Subnet] : []))
  return { name: Name, subnets, labels: Labels ?? {} }
}
