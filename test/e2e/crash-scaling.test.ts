import type { Test } from 'tap'

import { type Change, clone, type World, walkThrough } from './crash.ts'

/** The app runs so many times, and its next start has it so. */
const runs =
  (count: number) =>
  async (t: Test, { box }: World) => {
    t.equal((await box.containers()).length, count, `${count} run`)
    t.match((await box.ssh('ps:scale shop')).stdout, new RegExp(`^web: ${count}$`, 'm'))
  }

const up: Change = { make: ({ box }) => box.ssh('ps:scale shop web=2') }
const down: Change = {
  before: up.make,
  make: ({ box }) => box.ssh('ps:scale shop web=1'),
}
const single = { back: ({ box }: World) => box.ssh('ps:scale shop web=1') }
const start: Change = {
  before: ({ box }) => box.ssh('ps:stop shop'),
  make: ({ box }) => box.ssh('ps:start shop'),
  statuses: [503],
}
const answers =
  (status: number) =>
  async (t: Test, { box }: World) =>
    t.equal((await box.get('shop.localhost')).status, status, `it answers ${status}`)
const twinServes = async (t: Test, { box, version }: World) =>
  t.match(await box.get('twin.localhost', '/twin'), { status: 200, body: `/twin ${version()}\n` })
const twinGoes = ({ box }: World) => box.ssh('--force apps:destroy twin')
const config: Change = { make: ({ box }) => box.ssh(`config:set shop NOTE=${Date.now()}`) }

/** Other changes take the same road: where they are cut off before they are live nothing of them is left, and afterwards all of them is. */
walkThrough([
  { point: 'container:started', what: 'scaling up', change: { ...up, ...single, holds: runs(1) } },
  { point: 'live', what: 'scaling up', change: { ...up, ...single, holds: runs(2) } },
  { point: 'pointing:pointed', what: 'scaling down', change: { ...down, ...single, holds: runs(2) } },
  { point: 'live', what: 'scaling down', change: { ...down, holds: runs(1) } },
  { point: 'pointing:pointed', what: 'a start', change: { ...start, holds: answers(503), back: start.make } },
  { point: 'live', what: 'a start', change: { ...start, holds: answers(200) } },
  { point: 'release:tagged', what: 'a new value', change: config },
  { point: 'pointing:pointed', what: 'a clone', change: clone },
  { point: 'live', what: 'a clone', change: { ...clone, holds: twinServes, back: twinGoes } },
])
