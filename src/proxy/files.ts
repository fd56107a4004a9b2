import type { IncomingHttpHeaders } from 'node:http'
import { pipeline } from 'node:stream/promises'

import type { Asked } from './asked.ts'
import { conditional, partOf } from './conditions.ts'
import { contentType, isCompressible } from './content-type.ts'
import { grouped } from './fields.ts'
import { type OpenFile, openIn } from './folder.ts'
import { type Page, pages } from './pages.ts'
import type { Dress } from './site.ts'
import type { Visitor } from './visitor.ts'

export interface Exchange {
  readonly visitor: Visitor
  readonly asked: Asked
  readonly dress: Dress | undefined
  /** What stood before the path, where the folder is mounted. */
  readonly base?: string
}

/** Answers from a folder: its files, index.html for a folder, its own 404.html. Answers the page to show where there is nothing else. */
export async function serveFiles(folder: string, exchange: Exchange): Promise<'answered' | Page> {
  const { visitor, asked } = exchange
  if (visitor.method !== 'GET' && visitor.method !== 'HEAD') return pages.onlyRead
  const path = pathOf(asked.path)
  if (path === undefined) return pages.refused(400, 'The path cannot be read.')
  if (!isPublic(path)) return missing(folder, exchange)
  const name = path === '' || path.endsWith('/') ? `${path}index.html` : path
  const found = await openIn(folder, name)
  if (found === 'folder') return name === path ? toSlash(folder, path, exchange) : missing(folder, exchange)
  if (found === undefined) return missing(folder, exchange)
  return send(found, { ...exchange, folder, path: name, type: contentType(name) })
}

/** Decoded, relative, '' for the root. Undefined when it is not UTF-8 or holds a zero byte. */
function pathOf(target: string): string | undefined {
  try {
    const path = decodeURIComponent(target.replace(/[?#].*$/s, '').slice(1))
    return path.includes('\0') ? undefined : path
  } catch {
    return undefined
  }
}

/** No names that begin with a dot (RFC 8615's .well-known apart), and so no way up; no empty ones either. */
function isPublic(path: string): boolean {
  const parts = path.replace(/\/$/, '').split('/')
  return (
    path === '' ||
    parts.every((part, at) => part !== '' && (!part.startsWith('.') || (at === 0 && part === '.well-known')))
  )
}

async function toSlash(folder: string, path: string, exchange: Exchange): Promise<'answered' | Page> {
  const index = await openIn(folder, `${path}/index.html`)
  if (index === undefined || index === 'folder') return missing(folder, exchange)
  await index.handle.close()
  const { visitor, asked, base = '' } = exchange
  const [query = ''] = /\?[^#]*/.exec(asked.path) ?? []
  // Put together anew, so that it begins with one slash and a name: it can lead to no other host.
  const location = `${base}/${path.split('/').map(encodeURIComponent).join('/')}/${query}`
  head(exchange, 301, { Location: location, 'Content-Length': 0, 'Cache-Control': 'no-cache' })
  visitor.out.end()
  return 'answered'
}

async function missing(folder: string, exchange: Exchange): Promise<'answered' | Page> {
  const own = await openIn(folder, '404.html')
  if (own === undefined || own === 'folder') return pages.noFile
  head(exchange, 404, {
    'Content-Type': contentType('404.html'),
    'Content-Length': own.size,
    'Cache-Control': 'no-cache',
  })
  return body(own, { start: 0, end: own.size - 1 }, exchange)
}

interface Sending extends Exchange {
  readonly folder: string
  readonly path: string
  readonly type: string
}

async function send(plain: OpenFile, sending: Sending): Promise<'answered'> {
  const { visitor, path, type } = sending
  const headers = headersOf(visitor)
  const { file, encoding } = isCompressible(type)
    ? await smallest(plain, sending)
    : { file: plain, encoding: undefined }
  const known = {
    ETag: file.etag,
    'Last-Modified': file.modified.toUTCString(),
    'Cache-Control': isFingerprinted(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
    ...(isCompressible(type) ? { Vary: 'Accept-Encoding' } : {}),
  }
  const fields = {
    ...known,
    'Content-Type': type,
    'Accept-Ranges': 'bytes',
    ...(encoding ? { 'Content-Encoding': encoding } : {}),
  }
  const status = conditional(headers, file)
  const part = status === 200 && visitor.method === 'GET' ? partOf(headers, file) : undefined
  if (status !== 200 || part === 'unsatisfiable') {
    await file.handle.close()
    if (status === 304) head(sending, 304, known)
    else if (status === 412) head(sending, 412, { 'Content-Length': 0 })
    else head(sending, 416, { 'Content-Range': `bytes */${file.size}`, 'Content-Length': 0 })
    visitor.out.end()
    return 'answered'
  }
  if (part) {
    const range = { 'Content-Range': `bytes ${part.start}-${part.end}/${file.size}` }
    head(sending, 206, { ...fields, ...range, 'Content-Length': part.end - part.start + 1 })
    return body(file, part, sending)
  }
  head(sending, 200, { ...fields, 'Content-Length': file.size })
  return body(file, { start: 0, end: file.size - 1 }, sending)
}

const siblings = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const

/** The compressed file beside it that the client takes, if there is one. Closes the one that is not sent. */
async function smallest(
  plain: OpenFile,
  { visitor, folder, path }: Sending,
): Promise<{ file: OpenFile; encoding: string | undefined }> {
  const accepted = String(headersOf(visitor)['accept-encoding'] ?? '')
  for (const [encoding, end] of siblings) {
    if (!takes(accepted, encoding)) continue
    const file = await openIn(folder, `${path}${end}`)
    if (file === undefined || file === 'folder') continue
    await plain.handle.close()
    return { file, encoding }
  }
  return { file: plain, encoding: undefined }
}

/** RFC 9110 12.5.3; `*` is not taken at its word. */
function takes(accepted: string, encoding: string): boolean {
  return accepted.split(',').some(each => {
    const [name = '', ...weights] = each.split(';').map(word => word.trim().toLowerCase())
    return name === encoding && !weights.some(weight => /^q=0(\.0*)?$/.test(weight))
  })
}

/** A name with a hash in it, as bundlers make them: another content has another name. */
function isFingerprinted(path: string): boolean {
  return /[.-](?=[a-f]*\d)(?=\d*[a-f])[a-f0-9]{8,64}\.[a-z0-9]+$/.test(path)
}

function head(
  { visitor, asked, dress }: Exchange,
  status: number,
  fields: Record<string, string | number>,
): void {
  const all = Object.entries(fields).flatMap(([name, value]) => [name, String(value)])
  all.push('X-Content-Type-Options', 'nosniff', 'X-Request-Id', asked.id)
  // What is left of a request that nobody takes is not read.
  visitor.begin(status, '', dress ? dress(status, all, asked) : all, { last: asked.body !== 'none' })
}

/** As Node would name them, for what reads conditions and ranges. */
function headersOf({ fields }: Visitor): IncomingHttpHeaders {
  const lower = fields.map((each, at) => (at % 2 === 0 ? each.toLowerCase() : each))
  return Object.fromEntries(grouped(lower).map(([name, value]) => [name, [value].flat().join(', ')]))
}

/** Streams at the client's pace; closes the file however it ends. */
async function body(
  { handle }: OpenFile,
  { start, end }: { start: number; end: number },
  { visitor }: Exchange,
): Promise<'answered'> {
  if (visitor.method === 'HEAD' || end < start) {
    await handle.close()
    visitor.out.end()
    return 'answered'
  }
  const content = handle.createReadStream({ start, end })
  content.on('data', chunk => {
    visitor.bytes += chunk.length
  })
  const whole = await pipeline(content, visitor.out, { end: false }).then(
    () => content.bytesRead === end - start + 1,
    () => false,
  )
  // The client has left, or the file could not be read to its end: it must not be taken for the whole.
  if (whole) visitor.out.end()
  else visitor.cut()
  return 'answered'
}
