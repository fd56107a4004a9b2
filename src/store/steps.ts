import type { AppName, Step } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Steps } from './store.ts'

interface Row {
  id: number
  app: AppName
  kind: string
  phase: string
  data: Buffer
  created_at: number
}

const select = `
  SELECT steps.id, apps.name AS app, kind, phase, data, steps.created_at
  FROM steps JOIN apps ON apps.id = steps.app`

export function openSteps({ prepare, transaction, getApp, seal, now }: Ground): Steps {
  const find = prepare<[number], Row>(`${select} WHERE steps.id = ?`)
  const list = prepare<[], Row>(`${select} ORDER BY steps.id`)
  const begin = prepare<[{ app: number; kind: string; phase: string; at: number }], { id: number }>(
    `INSERT INTO steps (app, kind, phase, data, created_at) VALUES (@app, @kind, @phase, x'', @at) RETURNING id`,
  )
  const setPhase = prepare<[string, number]>('UPDATE steps SET phase = ? WHERE id = ?')
  const setData = prepare<[Buffer, number]>('UPDATE steps SET data = ? WHERE id = ?')
  const done = prepare<[number]>('DELETE FROM steps WHERE id = ?')

  const write = (id: number, data: Step['data']) =>
    setData.run(seal.seal(JSON.stringify(data), place(id)), id)

  const step = ({ created_at, data, ...row }: Row): Step => ({
    ...row,
    data: JSON.parse(seal.open(data, place(row.id))) as Step['data'],
    createdAt: new Date(created_at),
  })

  return {
    begin: (app, { kind, phase, data }) =>
      transaction(() => {
        const { id } = begin.get({ app: getApp(app), kind, phase, at: now().getTime() })!
        write(id, data)
        return step(find.get(id)!)
      }),
    advance: ({ id, app, kind }, { phase, data }) =>
      transaction(() => {
        if (!setPhase.run(phase, id).changes)
          throw new Error(`The ${kind} of ${app} is not recorded any more`)
        if (data) write(id, data)
        return step(find.get(id)!)
      }),
    done: ({ id }) => void done.run(id),
    list: () => list.all().map(step),
  }
}

function place(id: number) {
  return ['steps', id]
}
