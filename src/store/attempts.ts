import type { AppName, Attempt, AttemptStatus } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Attempts } from './store.ts'

interface Row {
  id: number
  app: AppName
  kind: Attempt['kind']
  what: string
  by: string
  revision: string | null
  status: AttemptStatus
  failure: string | null
  created_at: number
  ended_at: number | null
}

const select = 'SELECT attempts.*, apps.name AS app FROM attempts JOIN apps ON apps.id = attempts.app'
const ended = "status NOT IN ('waiting', 'running')"

export function openAttempts({ prepare, transaction, findApp, getApp, now }: Ground): Attempts {
  const add = prepare<[number, string, string, string, string | null, number], { id: number }>(
    'INSERT INTO attempts (app, kind, what, by, revision, created_at) VALUES (?, ?, ?, ?, ?, ?) RETURNING id',
  )
  const find = prepare<[number, number | null], Row>(`${select} WHERE attempts.id = ? AND attempts.app = ?`)
  const list = prepare<[number | null], Row>(`${select} WHERE attempts.app = ? ORDER BY attempts.id DESC`)
  const ids = prepare<[], { id: number }>('SELECT id FROM attempts ORDER BY id')
  const setStatus = prepare<[AttemptStatus, string | null, number | null, number]>(
    'UPDATE attempts SET status = ?, failure = ?, ended_at = ? WHERE id = ?',
  )
  const prune = prepare<[number | null, number | null, number], { id: number }>(
    `DELETE FROM attempts WHERE app = ? AND ${ended} AND id NOT IN
       (SELECT id FROM attempts WHERE app = ? AND ${ended} ORDER BY id DESC LIMIT ?) RETURNING id`,
  )
  const closeOpen = prepare<[string, number]>(
    `UPDATE attempts SET status = 'failed', failure = ?, ended_at = ? WHERE NOT (${ended})`,
  )
  const time = () => now().getTime()
  return {
    add: (app, { kind, what, by, revision }) =>
      transaction(() => {
        const { id } = add.get(getApp(app), kind, what, by, revision ?? null, time())!
        return attempt(find.get(id, getApp(app))!)
      }),
    find(app, id) {
      const row = find.get(id, findApp(app))
      return row && attempt(row)
    },
    setStatus: (id, status, failure) =>
      void setStatus.run(
        status,
        failure ?? null,
        status === 'waiting' || status === 'running' ? null : time(),
        id,
      ),
    list: app => list.all(findApp(app)).map(attempt),
    ids: () => ids.all().map(each => each.id),
    prune: (app, keep) => prune.all(findApp(app), findApp(app), keep).map(each => each.id),
    closeOpen: failure => void closeOpen.run(failure, time()),
  }
}

function attempt({ revision, failure, created_at, ended_at, ...row }: Row): Attempt {
  return {
    ...row,
    revision: revision ?? undefined,
    failure: failure ?? undefined,
    createdAt: new Date(created_at),
    endedAt: ended_at === null ? undefined : new Date(ended_at),
  }
}
