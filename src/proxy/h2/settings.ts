import { ConnectionError, codes, flags, frameHead, kinds, number32, read32 } from './frames.ts'

const ids = { tableSize: 1, push: 2, streams: 3, window: 4, frame: 5, head: 6 } as const

/** More in one frame are no settings. */
const most = 32

/** What this side says first (RFC 9113 6.5.2): how many streams, how much each may send ahead, how long a head, and how much all together. */
export function greeting(streams: number, window: number, head: number, ahead: number): string {
  const said = [
    [ids.streams, streams],
    [ids.window, window],
    [ids.head, head],
  ].map(([id, value]) => `\0${String.fromCharCode(id!)}${number32(value!)}`)
  const opened = frameHead(4, kinds.window, 0, 0) + number32(ahead - 65_535)
  return frameHead(said.length * 6, kinds.settings, 0, 0) + said.join('') + opened
}

export const settingsTaken = frameHead(0, kinds.settings, flags.ack, 0)

/** What a client has said that matters here, each of it. Throws what ends the connection. */
export function readSettings(
  payload: Buffer,
  heard: { tableSize(size: number): void; window(size: number): void },
) {
  if (payload.length % 6 !== 0) throw new ConnectionError(codes.frameSize, 'settings are cut off')
  if (payload.length > most * 6) throw new ConnectionError(codes.calm, 'too many settings')
  for (let at = 0; at < payload.length; at += 6) {
    const id = (payload[at]! << 8) | payload[at + 1]!
    const value = read32(payload, at + 2)
    if (id === ids.tableSize) heard.tableSize(value)
    else if (id === ids.window) heard.window(value)
    else if (id === ids.push && value > 1)
      throw new ConnectionError(codes.protocol, 'no such setting of pushes')
    else if (id === ids.frame && (value < 16_384 || value > 16_777_215))
      throw new ConnectionError(codes.protocol, 'no such size of frames')
  }
}
