import type { Container, ContainerSpec, ContainerState } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Containers, NewContainerRow } from './store.ts'

type NewRow = Omit<NewContainerRow, 'spec'> & { app: number; sealed: Buffer }

const select = `
  SELECT containers.id, apps.name AS app, process, "index", release, containers.name, address, port,
    hash AS spec, state
  FROM containers JOIN apps ON apps.id = containers.app`
const order = 'ORDER BY apps.name, process, "index", containers.id'

export function openContainers({ prepare, transaction, getApp, seal }: Ground): Containers {
  const of = prepare<[string], Container>(`${select} WHERE apps.name = ? ${order}`)
  const list = prepare<[], Container>(`${select} ${order}`)
  const find = prepare<[string], Container>(`${select} WHERE containers.name = ?`)
  const spec = prepare<[number], { app: number; name: string; spec: Buffer }>(
    'SELECT app, name, spec FROM containers WHERE id = ?',
  )
  const add = prepare<[NewRow]>(
    `INSERT INTO containers (app, process, "index", release, name, address, port, hash, spec)
     VALUES (@app, @process, @index, @release, @name, @address, @port, @hash, @sealed)`,
  )
  const setState = prepare<[ContainerState, number]>('UPDATE containers SET state = ? WHERE id = ?')
  const remove = prepare<[number]>('DELETE FROM containers WHERE id = ?')

  return {
    of: app => of.all(app),
    list: () => list.all(),
    add: (app, { spec, ...container }) =>
      transaction(() => {
        const id = getApp(app)
        const sealed = seal.seal(JSON.stringify(spec), place(id, container.name))
        add.run({ ...container, app: id, sealed })
        return find.get(container.name)!
      }),
    spec({ id, name }) {
      const row = spec.get(id)
      if (!row) throw new Error(`The container ${name} is not recorded any more`)
      return JSON.parse(seal.open(row.spec, place(row.app, row.name))) as ContainerSpec
    },
    setState: (ids, state) =>
      transaction(() => {
        for (const id of ids) setState.run(state, id)
      }),
    remove: id => void remove.run(id),
  }
}

function place(app: number, name: string) {
  return ['containers', app, name]
}
