import { type Change, kindOf, push, pushPoints, walkThrough } from './crash.ts'

const changes: Readonly<Record<string, Change>> = {
  retire: { make: ({ box }) => box.ssh('ps:restart shop') },
  undo: { make: world => world.push('broken') },
}

walkThrough(pushPoints.map(point => ({ point, change: changes[kindOf(point)] ?? push })))
