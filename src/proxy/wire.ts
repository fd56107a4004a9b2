import type { Socket } from 'node:net'

import { type Lent, listen } from './listen.ts'
import { notQuick, openQuick, type Quick } from './quick.ts'
import { openReader, type Reader } from './reader.ts'
import { type Flow, type Peer, peerOf } from './visitor.ts'

/** Bytes that are held before their turn; with more, no more is read. */
const heldMost = 64 * 1024

/** The bytes of a client's connection: heard in memory that costs nothing, and held back where nobody can take them. */
export class Wire implements Flow {
  readonly socket: Socket
  private readonly quick: Quick
  private readonly hear: (bytes: Buffer, lent: Lent) => boolean
  private known: Peer | undefined
  private deaf: (() => void) | undefined
  private paused = false
  private held: Buffer | undefined
  /** Another has it. */
  private given = false
  /** Memory of its own. */
  private reader: Reader | undefined

  constructor(socket: Socket, hear: (bytes: Buffer, lent: Lent) => boolean) {
    this.socket = socket
    this.hear = hear
    this.quick = 'encrypted' in socket ? notQuick : openQuick(socket)
    socket.on('error', () => socket.destroy())
  }

  /** What has come already is heard at once. */
  begin() {
    const { socket, hear } = this
    this.deaf = listen(socket, { reader: () => this.reader, over: () => this.given, hear })
  }

  /** A socket that is closed knows no address any more. */
  get peer(): Peer {
    this.known ??= peerOf(this.socket)
    return this.known
  }

  get bytesRead(): number {
    return this.socket.bytesRead
  }
  get bytesWritten(): number {
    return this.socket.bytesWritten
  }
  /** What waits, whether the socket's stream knows of it or not. */
  get writableLength(): number {
    return this.socket.writableLength + this.quick.waiting
  }

  /** Text, and bytes behind it where there are some. True: the kernel has it all; else `late` is called when it does. */
  write(text: string, late: (error?: Error | null) => void, bytes?: Buffer): boolean {
    const { socket } = this
    const written = this.quick.write(text, late, bytes)
    if (written !== 'not') return written === 'taken'
    if (bytes === undefined) socket.write(text, 'latin1', late)
    else {
      socket.cork()
      socket.write(text, 'latin1')
      socket.write(bytes, late)
      socket.uncork()
    }
    return false
  }

  get wide(): boolean {
    return this.reader !== undefined
  }

  /** Much is to come: it gets memory of its own. `owes`: some of what it was given last is still needed. */
  widen(owes: () => boolean) {
    this.reader = openReader()
    this.reader.ear = bytes => {
      this.hear(bytes, 'own')
      return owes()
    }
  }

  narrow() {
    this.reader = undefined
  }

  /** Some wait for their turn. */
  get holds(): boolean {
    return this.held !== undefined
  }

  /** Behind those that are held already. */
  hold(bytes: Buffer, lent: Lent) {
    if (this.held !== undefined) this.held = Buffer.concat([this.held, bytes])
    else this.held = lent === 'no' ? bytes : Buffer.from(bytes)
    if (this.held.length >= heldMost) this.pause()
  }

  /** What is held, which is nothing any more. */
  release(): Buffer | undefined {
    const { held } = this
    this.held = undefined
    return held
  }

  pause() {
    if (this.paused) return
    this.paused = true
    this.socket.pause()
  }

  resume() {
    if (!this.paused) return
    this.paused = false
    this.socket.resume()
  }

  /** What is still heard goes to whoever reads the socket as a stream. False: no more is wanted. */
  pass(bytes: Buffer, lent: Lent): boolean {
    return this.socket.push(lent === 'no' ? bytes : Buffer.from(bytes))
  }

  letGo() {
    this.given = true
    this.deaf?.()
  }

  /** Ends it so that the other side cannot take its end for that of a message. */
  reset() {
    const { socket } = this
    // TLS says its own end, and this is none.
    if ('encrypted' in socket) socket.destroy()
    else socket.resetAndDestroy()
  }
}
