import type { AppName, Env, Procfile, Release } from '../types.ts'
import type { Ground } from './ground.ts'
import type { NewRelease, Releases } from './store.ts'

interface Row extends Omit<Release, 'app' | 'revision' | 'procfile' | 'failure' | 'createdAt' | 'liveAt'> {
  app: number
  name: AppName
  revision: string | null
  procfile: string
  failure: string | null
  config: Buffer
  created_at: number
  live_at: number | null
}

type NewRow = Omit<NewRelease, 'revision' | 'procfile' | 'config'> &
  Pick<Row, 'app' | 'number' | 'revision' | 'procfile' | 'config'> & { at: number }

const select = 'SELECT releases.*, apps.name FROM releases JOIN apps ON apps.id = releases.app'

export function openReleases({ prepare, transaction, getApp, seal, now }: Ground): Releases {
  const find = prepare<[string, number], Row>(`${select} WHERE apps.name = ? AND number = ?`)
  const live = prepare<[string], Row>(`${select} WHERE apps.name = ? AND state = 'live'`)
  const previous = prepare<[string], Row>(
    `${select} WHERE apps.name = ? AND state = 'superseded' ORDER BY live_order DESC LIMIT 1`,
  )
  const list = prepare<[string], Row>(`${select} WHERE apps.name = ? ORDER BY number DESC`)
  const config = prepare<[number], Row>(`${select} WHERE releases.id = ?`)
  // Counted on the app, so that no number comes back even when its release is gone.
  const nextNumber = prepare<[number], { number: number }>(
    'UPDATE apps SET last_release = last_release + 1 WHERE id = ? RETURNING last_release AS number',
  )
  const add = prepare<[NewRow]>(
    `INSERT INTO releases (app, number, image, revision, procfile, port, config, by, why, created_at)
     VALUES (@app, @number, @image, @revision, @procfile, @port, @config, @by, @why, @at)`,
  )
  const supersede = prepare<[number]>(
    `UPDATE releases SET state = 'superseded' WHERE app = ? AND state = 'live'`,
  )
  // Ordered by a count and not by the clock, which may stand still or go back.
  const makeLive = prepare<[{ id: number; app: number; at: number }]>(
    `UPDATE releases SET state = 'live', live_at = @at,
       live_order = (SELECT coalesce(max(live_order), 0) + 1 FROM releases WHERE app = @app)
     WHERE id = @id`,
  )
  const fail = prepare<[string, number]>(`UPDATE releases SET state = 'failed', failure = ? WHERE id = ?`)

  const get = (app: AppName, number: number): Row => {
    const row = find.get(app, number)
    if (!row) throw new Error(`${app} has no release ${number}`)
    return row
  }

  return {
    add: (app, { config, procfile, revision, image, port, by, why }) =>
      transaction(() => {
        const id = getApp(app)
        const { number } = nextNumber.get(id)!
        add.run({
          app: id,
          number,
          image,
          revision: revision ?? null,
          procfile: JSON.stringify(procfile),
          port,
          config: seal.seal(JSON.stringify(config), place(id, number)),
          by,
          why,
          at: now().getTime(),
        })
        return release(get(app, number))
      }),
    find: (app, number) => maybe(find.get(app, number)),
    live: app => maybe(live.get(app)),
    previous: app => maybe(previous.get(app)),
    list: app => list.all(app).map(release),
    config({ id, app, number }) {
      const row = config.get(id)
      if (!row) throw new Error(`${app} has no release ${number} any more`)
      return JSON.parse(seal.open(row.config, place(row.app, row.number))) as Env
    },
    makeLive: (app, number) =>
      transaction(() => {
        const row = get(app, number)
        if (row.state === 'live') return
        if (row.state === 'failed') throw new Error(`Release ${number} of ${app} failed and cannot be live`)
        supersede.run(row.app)
        makeLive.run({ id: row.id, app: row.app, at: now().getTime() })
      }),
    fail: (app, number, failure) =>
      transaction(() => {
        const row = get(app, number)
        if (row.state === 'failed') return
        if (row.state !== 'pending')
          throw new Error(`Release ${number} of ${app} has been live and cannot fail`)
        fail.run(failure, row.id)
      }),
  }
}

function place(app: number, number: number) {
  return ['releases', app, number]
}

function maybe(row: Row | undefined): Release | undefined {
  return row && release(row)
}

function release(row: Row): Release {
  return {
    id: row.id,
    app: row.name,
    number: row.number,
    state: row.state,
    image: row.image,
    revision: row.revision ?? undefined,
    procfile: JSON.parse(row.procfile) as Procfile,
    port: row.port,
    by: row.by,
    why: row.why,
    failure: row.failure ?? undefined,
    createdAt: new Date(row.created_at),
    liveAt: row.live_at === null ? undefined : new Date(row.live_at),
  }
}
