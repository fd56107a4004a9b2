import type { Socket } from 'node:net'

import { headSize } from './frames.ts'

/** What goes out over one connection: gathered, and written once a turn, whatever number of streams it is of. */
export interface Outlet {
  /** A frame, as text whose characters are bytes. */
  say(text: string): void
  /** A frame and what is in it, a copy of which is taken. */
  frame(head: string, bytes: Buffer): void
  /** More of a body may come: the client is not behind. */
  readonly open: boolean
  /** Bytes that wait for the kernel. */
  readonly waiting: number
  /** Gives what has been gathered to the socket. */
  flush(): void
  /** All of it: nothing comes after it. */
  finish(): void
}

/** Memory to gather in, shared by all connections of a worker: one that has nothing to say holds none. */
export interface Pages {
  take(): Buffer
  give(page: Buffer): void
}

const pageSize = 64 * 1024
const pagesMost = 32

export function openPages(): Pages {
  const free: Buffer[] = []
  return {
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(pageSize),
    give(page) {
      if (free.length < pagesMost) free.push(page)
    },
  }
}

/** Bytes that wait for the client before nothing more of a body is taken. */
const waitingMost = 128 * 1024

/** `moved`: some of it has gone. */
export function openOutlet(socket: Socket, pages: Pages, moved: () => void): Outlet {
  /** Those that are to be written, the oldest first; and the one that is being filled. */
  const full: { readonly page: Buffer; readonly size: number }[] = []
  let page: Buffer | undefined
  let filled = 0
  let waiting = 0
  let writing = false

  const turnPage = () => {
    if (page === undefined || filled === 0) return
    full.push({ page, size: filled })
    page = undefined
    filled = 0
  }
  const write = ({ page: next, size }: { readonly page: Buffer; readonly size: number }) => {
    writing = true
    socket.write(next.subarray(0, size), error => {
      writing = false
      waiting -= size
      // The kernel may still read what belongs to a socket that is torn down.
      if (error) return
      pages.give(next)
      flush()
      moved()
    })
  }
  /** One after the other: what waits in the socket would be put together there, byte by byte. */
  const flush = () => {
    if (writing) return
    if (full.length === 0) turnPage()
    const next = full.shift()
    if (next) write(next)
  }
  const room = (size: number): Buffer => {
    if (page !== undefined && filled + size > page.length) turnPage()
    page ??= pages.take()
    waiting += size
    return page
  }

  return {
    say(text) {
      const to = room(text.length)
      filled += to.write(text, filled, text.length, 'latin1')
    },
    frame(head, bytes) {
      const to = room(headSize + bytes.length)
      filled += to.write(head, filled, headSize, 'latin1')
      to.set(bytes, filled)
      filled += bytes.length
    },
    get open() {
      return waiting < waitingMost
    },
    get waiting() {
      return waiting
    },
    flush,
    finish() {
      turnPage()
      for (const next of full.splice(0)) write(next)
    },
  }
}
