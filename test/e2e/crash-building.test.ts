import { pointsOfPush, push, walkThrough } from './crash.ts'

walkThrough(pointsOfPush('building').map(point => ({ point, change: push })))
