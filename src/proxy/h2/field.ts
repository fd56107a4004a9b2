import { overhead } from './static.ts'

/** A field as it was said. It may be said again by its number alone: so what there is to know of it is found out once. */
export interface Field {
  readonly name: string
  readonly value: string
  /** As tables and limits count it (RFC 7541 4.1). */
  readonly size: number
  readonly kind: Kind
}

/** `bad`: no request may have it (RFC 9113 8.2, 8.3). */
export type Kind = 'plain' | 'cookie' | 'length' | 'method' | 'path' | 'scheme' | 'authority' | 'bad'

export function fieldOf(name: string, value: string): Field {
  return { name, value, size: name.length + value.length + overhead, kind: kindOf(name, value) }
}

function kindOf(name: string, value: string): Kind {
  if (unsayable.test(value)) return 'bad'
  switch (name) {
    case ':method':
      return token.test(value) ? 'method' : 'bad'
    case ':path':
      return 'path'
    case ':scheme':
      return /^[a-z][a-z0-9+.-]*$/i.test(value) ? 'scheme' : 'bad'
    case ':authority':
      return authority.test(value) ? 'authority' : 'bad'
    case 'host':
      return authority.test(value) ? 'plain' : 'bad'
    case 'content-length':
      return /^\d{1,15}$/.test(value) ? 'length' : 'bad'
    case 'cookie':
      return 'cookie'
    case 'te':
      return value.toLowerCase() === 'trailers' ? 'plain' : 'bad'
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
      return 'bad'
  }
  return lowerToken.test(name) ? 'plain' : 'bad'
}

/** Control characters, or white space around it. */
const unsayable = /[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
export const lowerToken = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** Without a user (RFC 9113 8.3.1). */
const authority = /^[!$%&'()*+,\-.0-9:;=A-Z[\]_a-z~]+$/
