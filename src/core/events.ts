import type { Told } from '../event.ts'
import type { Rooms } from './rooms.ts'
import { ownCall } from './rooms.ts'

/** What is worth telling a person goes to the log and to all who listen. */
export interface Events {
  /** Nobody waits for those who hear of it. */
  tell(event: Told): void
}

export function createEvents(rooms: Pick<Rooms, 'hooks' | 'background' | 'log' | 'last'>): Events {
  let count = 0
  return {
    tell(told) {
      const usual = { level: 'info', app: undefined, by: 'davit', data: {} } as const
      const event = { ...usual, ...told, at: new Date() }
      const { kind, level, app, text } = event
      rooms.log[level === 'warning' ? 'warn' : level]({ event: kind, app }, text)
      rooms.background.run(`event ${++count}`, () => rooms.hooks.afterEvent(event, ownCall(rooms)))
    },
  }
}
