/** IPv4 arithmetic for apps' networks: blocks as `A.B.C.D/bits`. */

interface Block {
  readonly first: number
  readonly size: number
}

export function parseBlock(text: string): Block | undefined {
  const [, address, bits] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(text) ?? []
  if (!address || Number(bits) > 32) return undefined
  const size = 2 ** (32 - Number(bits))
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  return { first: Math.floor(number / size) * size, size }
}

/** The first /26 of the pool that overlaps none of the taken blocks; undefined when the pool is used up. */
export function freeSubnet(pool: string, taken: readonly string[]): string | undefined {
  const whole = parseBlock(pool)
  if (!whole) return undefined
  const blocks = taken.flatMap(each => parseBlock(each) ?? [])
  for (let first = whole.first; first + 64 <= whole.first + whole.size; first += 64) {
    if (!blocks.some(block => block.first < first + 64 && first < block.first + block.size))
      return `${dotted(first)}/26`
  }
  return undefined
}

export function gatewayOf(subnet: string): string {
  return dotted(parseBlock(subnet)!.first + 1)
}

/** The address of who is alone in it. */
export function onlyAddress(subnet: string): string {
  return dotted(parseBlock(subnet)!.first + 2)
}

/**
 * Destinations in the kernel's table (/proc/net/route: hexadecimal, little endian), but for the default route. Tunnels write that one
 * in parts (0.0.0.0/1 and 128.0.0.0/1), so nothing wider than the widest private network counts.
 */
export function routedBlocks(table: string): string[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, destination, , , , , , mask] = line.trim().split(/\s+/)
      if (!destination || !mask) return []
      const bits = littleEndian(mask).toString(2).replaceAll('0', '').length
      if (bits < 8) return []
      return [`${dotted(littleEndian(destination))}/${bits}`]
    })
}

function littleEndian(hex: string): number {
  return Number.parseInt(hex.match(/../g)!.reverse().join(''), 16)
}

function dotted(number: number): string {
  return [24, 16, 8, 0].map(shift => Math.floor(number / 2 ** shift) % 256).join('.')
}

/** Name of the interface that the default route leaves by, from the same table; undefined without one. */
export function defaultInterface(table: string): string | undefined {
  const rows = table.split('\n').map(line => line.trim().split(/\s+/))
  return rows.find(
    ([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000',
  )?.[0]
}
