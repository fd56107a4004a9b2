import type { Patience } from '../patience.ts'
import type { Visitor2 } from '../visitor2.ts'
import type { Farewell } from './farewell.ts'
import { ConnectionError, codes, flags, frameHead, kinds, read32 } from './frames.ts'
import type { Packer } from './pack.ts'
import { readSettings, settingsTaken } from './settings.ts'
import type { Streams } from './streams.ts'
import { type Windows, windowMost } from './windows.ts'

/** What a connection gives whoever reads its frames. */
export interface Controlled {
  readonly streams: Pick<Streams<Visitor2>, 'get' | 'all' | 'isIgnored'>
  readonly windows: Windows<Visitor2>
  readonly packer: Packer
  say(frame: string): void
  schedule(): void
  spend(on: Parameters<Patience>[0]): void
  fault(stream: Visitor2, code: number): void
  forget(stream: Visitor2, how: { reset: boolean }): void
  readonly farewell: Pick<Farewell, 'say' | 'heard'>
}

/** Reads the frames that are neither heads nor bodies (RFC 9113 6). Throws what ends the connection. */
export function openControl({ streams, windows, packer, ...to }: Controlled) {
  const sized = (payload: Buffer, size: number) => {
    if (payload.length !== size) throw new ConnectionError(codes.frameSize, 'a frame of the wrong size')
  }
  const ofAll = (id: number) => {
    if (id !== 0) throw new ConnectionError(codes.protocol, 'it concerns no stream')
  }
  const ofOne = (id: number) => {
    if (id === 0) throw new ConnectionError(codes.protocol, 'it concerns a stream')
  }
  const priority = (id: number, payload: Buffer) => {
    ofOne(id)
    const stream = streams.get(id)
    const wrong =
      payload.length !== 5 ? codes.frameSize : (read32(payload, 0) & windowMost) === id ? codes.protocol : 0
    if (wrong === 0) return
    if (!stream) throw new ConnectionError(wrong, 'no such priority')
    to.fault(stream, wrong)
  }
  const reset = (id: number, payload: Buffer) => {
    ofOne(id)
    sized(payload, 4)
    to.spend('reset')
    const stream = streams.get(id)
    if (!stream) return void streams.isIgnored(id)
    if (stream.ended) return
    to.forget(stream, { reset: false })
    stream.leave()
  }
  const settings = (id: number, flag: number, payload: Buffer) => {
    ofAll(id)
    if ((flag & flags.ack) !== 0) return sized(payload, 0)
    readSettings(payload, {
      tableSize: packer.limit,
      window: size => windows.change(size, streams.all()),
    })
    to.say(settingsTaken)
    to.spend('settings')
  }
  const ping = (id: number, flag: number, payload: Buffer) => {
    ofAll(id)
    sized(payload, 8)
    if ((flag & flags.ack) !== 0) return to.farewell.heard()
    to.say(frameHead(8, kinds.ping, flags.ack, 0) + payload.toString('latin1'))
    to.spend('ping')
  }
  const open = (id: number, payload: Buffer) => {
    sized(payload, 4)
    const bytes = read32(payload, 0) & windowMost
    const stream = streams.get(id)
    to.schedule()
    if (id === 0) {
      if (bytes === 0) throw new ConnectionError(codes.protocol, 'a window that does not open')
      windows.open(bytes)
    } else if (!stream) streams.isIgnored(id)
    else if (bytes === 0) to.fault(stream, codes.protocol)
    else {
      stream.window += bytes
      if (stream.window > windowMost) to.fault(stream, codes.flowControl)
    }
  }

  return (kind: number, flag: number, id: number, payload: Buffer) => {
    switch (kind) {
      case kinds.priority:
        return priority(id, payload)
      case kinds.reset:
        return reset(id, payload)
      case kinds.settings:
        return settings(id, flag, payload)
      case kinds.push:
        throw new ConnectionError(codes.protocol, 'clients push nothing')
      case kinds.ping:
        return ping(id, flag, payload)
      case kinds.goaway:
        ofAll(id)
        if (payload.length < 8) throw new ConnectionError(codes.frameSize, 'a farewell that is cut off')
        return to.farewell.say()
      case kinds.window:
        return open(id, payload)
    }
    // Whatever else there is by now may be passed over (RFC 9113 5.5).
  }
}
