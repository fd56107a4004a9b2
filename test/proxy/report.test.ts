import { t } from 'tap'

import { openReporter, type Report } from '../../src/proxy/report.ts'

t.test(
  'of thousands of apps as many are told of at once as cost little, and the others after them',
  async t => {
    let waiting = Array.from({ length: 1_500 }, (_, at) => `app-${at}`)
    const told: (readonly string[])[] = []
    const both = Promise.withResolvers<void>()
    const take = (most: number) => {
      const apps = waiting.slice(0, most)
      waiting = waiting.slice(most)
      const books = apps.map(app => ({ app, inFlight: 0, webSockets: 0, tunnels: 0, counts: [] }))
      return { report: { wrote: {}, dropped: 0, noise: 0, books }, more: waiting.length > 0 }
    }
    const reporter = openReporter(take, async ({ books }: Report) => {
      told.push(books.map(each => each.app!))
      if (told.length === 2) both.resolve()
    })
    reporter.changed()
    await both.promise
    t.same(
      told.map(each => each.length),
      [1_000, 500],
    )
    t.same(
      told.flat(),
      Array.from({ length: 1_500 }, (_, at) => `app-${at}`),
    )
    waiting = Array.from({ length: 2_500 }, () => 'last')
    await reporter.flush()
    t.equal(told.at(-1)!.length, 2_500, 'at the end all that is left')
  },
)
