import type { Ground } from './ground.ts'
import type { Formations } from './store.ts'

export function openFormation({ prepare, transaction, findApp, getApp }: Ground): Formations {
  const of = prepare<[number | null], { process: string; count: number }>(
    'SELECT process, count FROM formation WHERE app = ? ORDER BY process',
  )
  const set = prepare<[number, string, number]>(
    `INSERT INTO formation (app, process, count) VALUES (?, ?, ?)
     ON CONFLICT (app, process) DO UPDATE SET count = excluded.count`,
  )
  return {
    of: app => Object.fromEntries(of.all(findApp(app)).map(({ process, count }) => [process, count])),
    set: (app, counts) =>
      transaction(() => {
        const id = getApp(app)
        for (const [process, count] of Object.entries(counts)) set.run(id, process, count)
      }),
  }
}
