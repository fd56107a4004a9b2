/** Versions as whole numbers, so that a range is an interval. Parts are below 10,000. */
export function versionOf(major: number, minor: number, patch: number): number {
  return major * 1e8 + minor * 1e4 + patch
}

export function textOf(version: number): string {
  return [Math.floor(version / 1e8), Math.floor(version / 1e4) % 1e4, version % 1e4].join('.')
}

/** From `low` up to but not with `high`. */
export interface Interval {
  readonly low: number
  readonly high: number
}

/** A range as npm writes it (node-semver's grammar), an interval for each alternative; undefined when it cannot be read. */
export function intervalsOf(range: string): readonly Interval[] | undefined {
  if (range.length > 200) return undefined
  const alternatives = range.split('||').map(alternative)
  return alternatives.every(each => each !== undefined) ? alternatives : undefined
}

const everything: Interval = { low: 0, high: Infinity }

function alternative(text: string): Interval | undefined {
  const comparators = text
    .trim()
    .replace(/(\S+)\s+-\s+(\S+)/g, '>=$1 <=$2')
    .replace(/([<>=^~])\s+/g, '$1')
    .split(/\s+/)
  let all: Interval | undefined = everything
  for (const each of comparators) {
    const one = comparator(each)
    if (!one || !all) return undefined
    all = { low: Math.max(all.low, one.low), high: Math.min(all.high, one.high) }
  }
  return all
}

function comparator(text: string): Interval | undefined {
  const [whole, sign, ...parts] =
    /^(>=|<=|>|<|=|\^|~>?|)v?(\d{1,4}|[xX*])(?:\.(\d{1,4}|[xX*]))?(?:\.(\d{1,4}|[xX*]))?(?:[-+][\w.+-]*)?$/.exec(
      text,
    ) ?? []
  if (text === '') return everything
  if (whole === undefined) return undefined
  const open = parts.findIndex(part => part === undefined || /[xX*]/.test(part))
  const known = (open === -1 ? parts : parts.slice(0, open)).map(Number)
  if (known.length === 0) return everything
  const [major = 0, minor = 0, patch = 0] = known
  const low = versionOf(major, minor, patch)
  const next = after(known)
  switch (sign) {
    case '>=':
      return { low, high: Infinity }
    case '>':
      return { low: next, high: Infinity }
    case '<':
      return { low: 0, high: low }
    case '<=':
      return { low: 0, high: next }
    case '^':
      return { low, high: after(major > 0 ? [major] : known.slice(0, 2)) }
    case '~':
    case '~>':
      return { low, high: after(known.slice(0, 2)) }
    default:
      return { low, high: next }
  }
}

/** The first version that does not begin with these parts. */
function after([major = 0, minor, patch]: readonly number[]): number {
  if (minor === undefined) return versionOf(major + 1, 0, 0)
  return patch === undefined ? versionOf(major, minor + 1, 0) : versionOf(major, minor, patch + 1)
}
