import type { App, AppName, Service, ServiceSpec, ServiceState } from '../types.ts'
import type { Ground } from './ground.ts'

/** What plugins run for apps, and which apps reach it. */
export interface Services {
  list(): readonly Service[]
  find(plugin: string, name: string): Service | undefined
  /** State `making`. Name and host are free: who asks has looked. */
  add(service: NewService): Service
  /** The recorded spec, unsealed. */
  spec(service: Service): ServiceSpec
  setState(service: Service, state: ServiceState): void
  /** From now on it is to run so; what was before is kept with it until `settle` or `revert`. State `changing`. */
  change(service: Service, spec: ServiceSpec): void
  /** The same at once, for one that does not run. */
  rewrite(service: Service, spec: ServiceSpec): void
  /** What was changed stands. */
  settle(service: Service): void
  /** Back to what was before. State `wanted`. */
  revert(service: Service): void
  /** With its links. */
  remove(service: Service): void

  links(): readonly ServiceLink[]
  /** Again with other keys, or another address. One that was being left is whole again. */
  link(service: Service, app: App, link: Pick<ServiceLink, 'address' | 'keys'>): void
  /** From now on no new container of the app needs it. */
  leave(service: Service, app: App): void
  unlink(service: Service, app: App): void
}

export interface NewService {
  readonly plugin: string
  readonly name: string
  readonly host: string
  readonly subnet: string
  readonly spec: ServiceSpec
}

/** An app that reaches a service. */
export interface ServiceLink {
  readonly service: number
  readonly app: AppName
  /** Of the service, in the app's network. */
  readonly address: string
  /** Config keys that the app was given with it. */
  readonly keys: readonly string[]
  /** When it was ended: containers of the app that are older reach the service still. */
  readonly leftAt: Date | undefined
}

interface Row extends Omit<Service, 'createdAt'> {
  readonly created_at: number
}

interface LinkRow {
  readonly service: number
  readonly app: AppName
  readonly address: string
  readonly keys: string
  readonly left_at: number | null
}

const select = 'SELECT id, plugin, name, host, state, subnet, created_at FROM services'
const selectLinks = `
  SELECT service, apps.name AS app, address, keys, left_at
  FROM service_links JOIN apps ON apps.id = service_links.app`

export function openServices({ prepare, transaction, seal, now }: Ground): Services {
  const list = prepare<[], Row>(`${select} ORDER BY plugin, name`)
  const find = prepare<[string, string], Row>(`${select} WHERE plugin = ? AND name = ?`)
  const add = prepare<[Omit<NewService, 'spec'> & { at: number }], { id: number }>(
    `INSERT INTO services (plugin, name, host, subnet, state, spec, created_at)
     VALUES (@plugin, @name, @host, @subnet, 'making', x'', @at) RETURNING id`,
  )
  const specs = prepare<[number], { spec: Buffer; before: Buffer | null }>(
    'SELECT spec, before FROM services WHERE id = ?',
  )
  const setSpecs = prepare<[Buffer, Buffer | null, number]>(
    'UPDATE services SET spec = ?, before = ? WHERE id = ?',
  )
  const setState = prepare<[ServiceState, number]>('UPDATE services SET state = ? WHERE id = ?')
  const remove = prepare<[number]>('DELETE FROM services WHERE id = ?')
  const links = prepare<[], LinkRow>(`${selectLinks} ORDER BY service, apps.name`)
  const link = prepare<[number, number, string, string]>(
    `INSERT INTO service_links (service, app, address, keys) VALUES (?, ?, ?, ?)
     ON CONFLICT (service, app) DO UPDATE SET address = excluded.address, keys = excluded.keys, left_at = NULL`,
  )
  const leave = prepare<[number, number, number]>(
    'UPDATE service_links SET left_at = ? WHERE service = ? AND app = ?',
  )
  const unlink = prepare<[number, number]>('DELETE FROM service_links WHERE service = ? AND app = ?')

  const recorded = ({ id, plugin, name }: Service) => {
    const row = specs.get(id)
    if (!row) throw new Error(`The service ${name} of ${plugin} is not recorded any more`)
    return row
  }
  const revert = (service: Service) =>
    transaction(() => {
      const { before } = recorded(service)
      if (before) setSpecs.run(before, null, service.id)
      setState.run('wanted', service.id)
    })

  return {
    list: () => list.all().map(service),
    find(plugin, name) {
      const row = find.get(plugin, name)
      return row && service(row)
    },
    add: ({ spec, ...row }) =>
      transaction(() => {
        const { id } = add.get({ ...row, at: now().getTime() })!
        setSpecs.run(seal.seal(JSON.stringify(spec), place(id)), null, id)
        return service(find.get(row.plugin, row.name)!)
      }),
    spec: service => JSON.parse(seal.open(recorded(service).spec, place(service.id))) as ServiceSpec,
    setState: ({ id }, state) => void setState.run(state, id),
    change: (service, spec) =>
      transaction(() => {
        const before = recorded(service).spec
        setSpecs.run(seal.seal(JSON.stringify(spec), place(service.id)), before, service.id)
        setState.run('changing', service.id)
      }),
    rewrite: ({ id }, spec) => void setSpecs.run(seal.seal(JSON.stringify(spec), place(id)), null, id),
    settle: service =>
      transaction(() => {
        setSpecs.run(recorded(service).spec, null, service.id)
        setState.run('wanted', service.id)
      }),
    revert,
    remove: ({ id }) => void remove.run(id),

    links: () => links.all().map(linkOf),
    link: ({ id }, app, { address, keys }) => void link.run(id, app.id, address, JSON.stringify(keys)),
    leave: ({ id }, app) => void leave.run(now().getTime(), id, app.id),
    unlink: ({ id }, app) => void unlink.run(id, app.id),
  }
}

function service({ created_at, ...row }: Row): Service {
  return { ...row, createdAt: new Date(created_at) }
}

function linkOf({ keys, left_at, ...row }: LinkRow): ServiceLink {
  return {
    ...row,
    keys: JSON.parse(keys) as readonly string[],
    leftAt: left_at === null ? undefined : new Date(left_at),
  }
}

function place(id: number) {
  return ['services', id]
}
