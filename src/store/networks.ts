import { UserError } from '../errors.ts'
import type { Ground } from './ground.ts'
import type { Network, Networks } from './store.ts'

const select =
  'SELECT apps.name AS app, networks.name, subnet FROM networks JOIN apps ON apps.id = networks.app'

export function openNetworks({ prepare, transaction, findApp, getApp }: Ground): Networks {
  const of = prepare<[string], Network>(`${select} WHERE apps.name = ?`)
  const list = prepare<[], Network>(`${select} ORDER BY apps.name`)
  const add = prepare<[number, string, string]>('INSERT INTO networks (app, name, subnet) VALUES (?, ?, ?)')
  const addAddress = prepare<[string, number, number]>(
    'INSERT INTO addresses (address, app, host) VALUES (?, ?, ?)',
  )
  const remove = prepare<[number | null]>('DELETE FROM networks WHERE app = ?')
  const oldest = prepare<[number], { address: string }>(
    `SELECT address FROM addresses WHERE app = ? AND address NOT IN (SELECT address FROM containers)
       AND address NOT IN (SELECT address FROM service_links)
     ORDER BY used, host LIMIT 1`,
  )
  const use = prepare<[{ app: number; address: string }]>(
    `UPDATE addresses SET used = (SELECT max(used) + 1 FROM addresses WHERE app = @app) WHERE address = @address`,
  )

  return {
    of: app => of.get(app),
    list: () => list.all(),
    add: ({ app, name, subnet }) =>
      transaction(() => {
        const id = getApp(app)
        const addresses = addressesOf(subnet)
        add.run(id, name, subnet)
        for (const [address, host] of addresses) addAddress.run(address, id, host)
      }),
    remove: app => void remove.run(findApp(app)),
    takeAddress: app =>
      transaction(() => {
        const id = getApp(app)
        const free = oldest.get(id)
        if (!free) throw of.get(app) ? addressesOut(app) : new Error(`${app} has no network`)
        use.run({ app: id, address: free.address })
        return free.address
      }),
  }
}

/** Of the 64 in a /26 the first is the network's own, the next the gateway's, the last for broadcasts: 61 are left. */
function addressesOf(subnet: string): [address: string, host: number][] {
  const bytes = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/26$/.exec(subnet)?.slice(1).map(Number)
  const [a, b, c, d] = bytes ?? []
  if (!bytes || bytes.some(byte => byte > 255) || d! % 64) throw new Error(`${subnet} is not an IPv4 /26`)
  return Array.from({ length: 61 }, (_, at) => [`${a}.${b}.${c}.${d! + at + 2}`, at + 2])
}

function addressesOut(app: string): UserError {
  return new UserError(
    'addresses-out',
    `All 61 addresses of ${app}'s network are in use.`,
    'Scale down before adding more.',
  )
}
