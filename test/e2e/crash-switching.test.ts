import { type Change, kindOf, pointsOfPush, push, walkThrough } from './crash.ts'

const changes: Readonly<Record<string, Change>> = {
  retire: { make: ({ box }) => box.ssh('ps:restart shop') },
  undo: { make: world => world.push('broken') },
}

walkThrough(pointsOfPush('switching').map(point => ({ point, change: changes[kindOf(point)] ?? push })))
