import type { Flow } from './visitor.ts'

/** For what a client still sends when its request has been answered before its end. */
export const wasteMs = 30_000
/** For what a client still sends after a connection's last answer. */
export const lingerMs = 5_000

/** How long a connection may keep the proxy waiting: until a moment, or while nothing moves. Times are those of one clock, ms. */
export class Watch {
  /** By then it has to be over with what it does. */
  deadline: number
  /** Of nothing moving. */
  patience = 0
  /** Of nothing being said to a client that says nothing more. */
  private hush = Number.POSITIVE_INFINITY
  private moved = 0
  /** Since when it has been so; 0: it has not been looked at. */
  private since = 0

  constructor(deadline: number) {
    this.deadline = deadline
  }

  /** From now on nothing may stand still for so long. */
  begin(patience: number) {
    this.patience = patience
    this.since = 0
  }

  /** The client has ended its side just now. While bytes wait for it, it is as patient with it as with any other: the kernel takes them by the megabyte. */
  listens(hush: number) {
    this.hush = hush
    this.since = 0
  }

  /** Whether no byte has gone in or out for longer than there is patience. */
  isStill({ bytesRead, bytesWritten, writableLength }: Flow, now: number): boolean {
    const moved = bytesRead + bytesWritten - writableLength
    if (moved === this.moved && this.since !== 0) {
      const most = writableLength > 0 ? this.patience : Math.min(this.patience, this.hush)
      return now - this.since >= most
    }
    this.moved = moved
    this.since = now
    return false
  }
}
