import { codes, farewellFrame, frameHead, kinds } from './frames.ts'

/**
 * How a client is told to go on elsewhere (RFC 9113 6.8): first to begin nothing more, then, once it has surely heard that, what has been
 * taken. So what it was just sending is taken too.
 */
export interface Farewell {
  /** Nothing more is taken. */
  said(): boolean
  announce(): void
  /** At once, to a client that begins nothing more, or has begun too much. */
  say(): void
  /** The client has answered a ping: it has heard all that was said before. */
  heard(): void
  sweep(now: number): void
}

/** For a client to answer; then it is taken to have heard. */
const patienceMs = 1_000

/** More than any stream's number, so that none is left out. */
const anyStream = 2 ** 31 - 1

const ping = `${frameHead(8, kinds.ping, 0, 0)}farewell`

export function openFarewell({ say, last }: { say: (frame: string) => void; last: () => number }): Farewell {
  let announcedAt: number | undefined
  let said = false
  const finish = () => {
    if (said) return
    said = true
    say(farewellFrame(last(), codes.none))
  }
  return {
    said: () => said,
    announce() {
      if (said || announcedAt !== undefined) return
      announcedAt = performance.now()
      say(farewellFrame(anyStream, codes.none) + ping)
    },
    say: finish,
    heard() {
      if (announcedAt !== undefined) finish()
    },
    sweep(now) {
      if (announcedAt !== undefined && now - announcedAt > patienceMs) finish()
    },
  }
}
