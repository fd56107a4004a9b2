import { type Field, fieldOf } from './field.ts'
import { ConnectionError, codes } from './frames.ts'
import { decode } from './huffman.ts'
import { known, tableMost } from './static.ts'

/** Reads a whole block of fields (RFC 7541 3.2), each told in its order. Throws what ends the connection. */
export type Unpack = (bytes: Buffer, from: number, to: number, tell: (field: Field) => void) => void

const always: readonly Field[] = known.map(([name, value]) => fieldOf(name, value))

/** With a table of its own: what one block says the next ones refer to. */
export function openUnpack(): Unpack {
  /** The newest last. Those before `first` are gone. */
  let table: Field[] = []
  let first = 0
  let size = 0
  let most = tableMost
  let bytes: Buffer
  let at = 0
  let end = 0

  /** The rest of a number whose first byte has so many bits for it (5.1). */
  const number = (bits: number): number => {
    const full = (1 << bits) - 1
    let value = bytes[at++]! & full
    if (value < full) return value
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= end) break
      const byte = bytes[at++]!
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new ConnectionError(codes.compression, 'a number has no end')
  }
  const text = (): string => {
    if (at >= end) throw new ConnectionError(codes.compression, 'a string is missing')
    const coded = (bytes[at]! & 0x80) !== 0
    const length = number(7)
    const from = at
    at += length
    if (at > end) throw new ConnectionError(codes.compression, 'a string is cut off')
    if (!coded) return bytes.toString('latin1', from, at)
    const room = Buffer.allocUnsafe(length * 2)
    const plain = decode(bytes, from, at, room)
    if (plain === undefined) throw new ConnectionError(codes.compression, 'a string has no proper end')
    return room.toString('latin1', 0, plain)
  }
  const find = (index: number): Field => {
    const field = index <= always.length ? always[index - 1] : table[table.length + always.length - index]
    if (!field || (index > always.length && index - always.length > table.length - first))
      throw new ConnectionError(codes.compression, 'a field is in no table')
    return field
  }
  const shrink = (to: number) => {
    while (size > to) size -= table[first++]!.size
    if (first === table.length || first > 256) {
      table = table.slice(first)
      first = 0
    }
  }
  const keep = (field: Field) => {
    // A field larger than the table empties it (4.4).
    shrink(Math.max(0, most - field.size))
    if (field.size > most) return
    table.push(field)
    size += field.size
  }
  const literal = (bits: number): Field => {
    const index = number(bits)
    return fieldOf(index === 0 ? text() : find(index).name, text())
  }

  return (of, from, to, tell) => {
    bytes = of
    at = from
    end = to
    let fields = false
    while (at < end) {
      const byte = bytes[at]!
      if (byte >= 0x80) tell(find(number(7)))
      else if (byte >= 0x40) {
        const field = literal(6)
        keep(field)
        tell(field)
      } else if (byte < 0x20) tell(literal(4))
      else {
        most = number(5)
        if (fields || most > tableMost) throw new ConnectionError(codes.compression, 'a table is too large')
        shrink(most)
        continue
      }
      fields = true
    }
  }
}
