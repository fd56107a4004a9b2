import { ConnectionError, codes } from './frames.ts'

/** What a client may send ahead of apps over one connection, all streams together. */
export interface Intake {
  /** So many bytes have come. Throws when there was no room for them. */
  came(bytes: number): void
  /** So many more of them wait for apps, or fewer. */
  holds(bytes: number): void
}

export const connectionWindow = 1024 * 1024

/** Bytes that wait for apps: from then on no more are asked for. One slow app does not hold up the streams of others before that. */
const heldMost = 4 * 1024 * 1024

/** `grant`: the client may send so many bytes more. */
export function openIntake(grant: (bytes: number) => void): Intake {
  let left = connectionWindow
  let owed = 0
  let held = 0

  const repay = () => {
    if (owed < connectionWindow / 2 || held >= heldMost) return
    const bytes = owed
    owed = 0
    left += bytes
    grant(bytes)
  }
  return {
    came(bytes) {
      left -= bytes
      if (left < 0) throw new ConnectionError(codes.flowControl, 'more than the window')
      owed += bytes
      repay()
    },
    holds(bytes) {
      held += bytes
      if (bytes < 0) repay()
    },
  }
}
