import type { Field } from './field.ts'

/** The head of a request as it was said (RFC 9113 8.3.1), or its trailers. */
export interface Head {
  readonly method: string
  readonly path: string
  readonly authority: string | undefined
  /** Flat, without pseudo-fields. */
  readonly fields: string[]
  /** Of the body, as it was said. */
  readonly length: number | undefined
}

export interface HeadReader {
  begin(): void
  add(field: Field): void
  /** `malformed`, or too `large` a one. */
  request(): Head | 'malformed' | 'large'
  trailers(): readonly string[] | 'malformed' | 'large'
}

/** As tables count it (RFC 9113 6.5.2), and in HTTP/1.1 nearly the same. */
export const headMost = 32 * 1024
const fieldsMost = 256

/** Takes one head after the other, field by field: what is wrong with one is told at its end, for its block has to be read to that in any case. */
export function openHead(): HeadReader {
  let fields: string[] = []
  let method: string | undefined
  let path: string | undefined
  let scheme: string | undefined
  let authority: string | undefined
  let length: number | undefined
  let cookie = -1
  let size = 0
  let count = 0
  let fault = false

  const fits = () => size <= headMost && count <= fieldsMost
  const pseudo = (known: string | undefined) => {
    // Each once, and before all others.
    if (known !== undefined || fields.length > 0) fault = true
  }

  return {
    begin() {
      fields = []
      method = path = scheme = authority = length = undefined
      cookie = -1
      size = count = 0
      fault = false
    },
    add({ name, value, size: own, kind }) {
      size += own
      count++
      if (!fits()) return
      switch (kind) {
        case 'plain':
          fields.push(name, value)
          break
        case 'cookie':
          // Crumbs, which nobody else understands (RFC 9113 8.2.3).
          if (cookie !== -1) fields[cookie] += `; ${value}`
          else cookie = fields.push(name, value) - 1
          break
        case 'length':
          if (length !== undefined) fault = true
          length = Number(value)
          fields.push(name, value)
          break
        case 'method':
          pseudo(method)
          method = value
          break
        case 'path':
          pseudo(path)
          path = value
          break
        case 'scheme':
          pseudo(scheme)
          scheme = value
          break
        case 'authority':
          pseudo(authority)
          authority = value
          break
        case 'bad':
          fault = true
      }
    },
    request() {
      if (!fits()) return 'large'
      if (fault || method === undefined) return 'malformed'
      if (method === 'CONNECT') {
        if (path !== undefined || scheme !== undefined || authority === undefined) return 'malformed'
      } else if (scheme === undefined || path === undefined) return 'malformed'
      else if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) return 'malformed'
      return { method, path: path ?? '', authority, fields, length }
    },
    trailers() {
      if (!fits()) return 'large'
      if (fault || method !== undefined || path !== undefined || scheme !== undefined) return 'malformed'
      return authority === undefined ? fields : 'malformed'
    },
  }
}
