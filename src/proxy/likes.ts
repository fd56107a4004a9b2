/** For each first letter lengths of names as bits: most names are passed over by these alone, without being lowered or looked up. */
export type Likes = Int32Array

/** Of these names, in lower case, and of all that begin in these ways. */
export function likesOf(names: Iterable<string>, beginnings: readonly string[] = []): Likes {
  const likes = new Int32Array(32)
  for (const name of names) likes[name.charCodeAt(0) & 31]! |= 1 << name.length
  for (const start of beginnings) likes[start.charCodeAt(0) & 31]! |= -1 << start.length
  return likes
}

/** Whether it may be one of them, in whatever spelling. */
export function isLike(likes: Likes, name: string): boolean {
  return ((likes[name.charCodeAt(0) & 31]! >>> Math.min(name.length, 31)) & 1) === 1
}

/** In lower case. What nearly every message has is known as most spell it. */
export function lowered(name: string): string {
  switch (name) {
    case 'Host':
      return 'host'
    case 'Connection':
      return 'connection'
    case 'Content-Length':
      return 'content-length'
    case 'Content-Type':
      return 'content-type'
    case 'Date':
      return 'date'
  }
  return name.toLowerCase()
}
