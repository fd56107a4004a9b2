import { type Change, clone, kindOf, otherPoints, walkThrough } from './crash.ts'

const changes: Readonly<Record<string, Change>> = {
  stop: {
    make: ({ box }) => box.ssh('ps:stop shop'),
    statuses: [503],
    back: ({ box }) => box.ssh('ps:start shop'),
  },
  rename: {
    make: ({ box }) => box.ssh('apps:rename shop ship'),
    statuses: [404],
    back: ({ box }) => box.ssh('apps:rename ship shop'),
  },
  clone,
  // Whoever is being answered by an app while it is destroyed is cut off.
  destroy: { make: ({ box }) => box.ssh('--force apps:destroy shop'), statuses: [404, 502] },
}

walkThrough(otherPoints.map(point => ({ point, change: changes[kindOf(point)]! })))
