/** Just enough of POSIX tar for one page to come in and go out. */

const block = 512

export interface Found {
  /** Undefined when there is no file of that name. */
  readonly content: Buffer | undefined
  readonly others: readonly string[]
}

/** Looks a file up at the top of an archive; undefined when it is none. */
export function fileIn(tar: Buffer, wanted: string): Found | undefined {
  if (tar.length < block || tar.toString('latin1', 257, 262) !== 'ustar') return undefined
  const others: string[] = []
  let content: Buffer | undefined
  for (let at = 0; at + block <= tar.length && tar[at] !== 0; ) {
    const name = text(tar, at, 100).replace(/^\.\//, '')
    const size = Number.parseInt(text(tar, at + 124, 12).trim() || '0', 8)
    if (!Number.isSafeInteger(size)) break
    const type = String.fromCharCode(tar[at + 156]!)
    const start = at + block
    // Anything but a plain file is a folder, a link, or words about the next entry.
    if (type === '0' || type === '\0') {
      if (name === wanted) content = tar.subarray(start, start + size)
      else others.push(name)
    }
    at = start + Math.ceil(size / block) * block
  }
  return { content, others }
}

export function tarOf(files: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, body]) => {
    const content = Buffer.from(body)
    const padding = Buffer.alloc(Math.ceil(content.length / block) * block - content.length)
    return [header(name, content.length), content, padding]
  })
  return Buffer.concat([...parts, Buffer.alloc(2 * block)])
}

function header(name: string, size: number): Buffer {
  const head = Buffer.alloc(block)
  const put = (at: number, value: string) => head.write(value, at, 'latin1')
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  put(0, name)
  put(100, `${octal(0o644, 7)}\0`)
  put(108, `${octal(0, 7)}\0`)
  put(116, `${octal(0, 7)}\0`)
  put(124, `${octal(size, 11)}\0`)
  put(136, `${octal(0, 11)}\0`)
  put(148, ' '.repeat(8))
  put(156, '0')
  put(257, 'ustar\0' + '00')
  const sum = head.reduce((total, byte) => total + byte, 0)
  put(148, `${octal(sum, 6)}\0 `)
  return head
}

function text(tar: Buffer, at: number, length: number): string {
  const [found = ''] = tar.toString('utf8', at, at + length).split('\0', 1)
  return found
}
