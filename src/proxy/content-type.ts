/** What a file is, by the end of its name. */
const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  htm: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  json: 'application/json',
  map: 'application/json',
  webmanifest: 'application/manifest+json',
  txt: 'text/plain; charset=utf-8',
  md: 'text/markdown; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  xml: 'application/xml',
  rss: 'application/rss+xml',
  atom: 'application/atom+xml',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  ico: 'image/x-icon',
  woff: 'font/woff',
  woff2: 'font/woff2',
  ttf: 'font/ttf',
  otf: 'font/otf',
  mp3: 'audio/mpeg',
  ogg: 'audio/ogg',
  wav: 'audio/wav',
  mp4: 'video/mp4',
  webm: 'video/webm',
  pdf: 'application/pdf',
  wasm: 'application/wasm',
  zip: 'application/zip',
  gz: 'application/gzip',
}

export function contentType(path: string): string {
  const [, end = ''] = /\.([A-Za-z0-9]+)$/.exec(path) ?? []
  const key = end.toLowerCase()
  return Object.hasOwn(types, key) ? types[key]! : 'application/octet-stream'
}

/** Text of some kind, for which a smaller sibling (`.br`, `.gz`) may lie beside it. */
export function isCompressible(type: string): boolean {
  return /^text\/|\+xml$|\/xml$|json$|javascript$|yaml$|wasm$|^font\/[ot]tf$/.test(type)
}
