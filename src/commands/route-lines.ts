import type { Route } from '../types.ts'

/** A route for a person to read; hashes of passwords and whole pages are left out. */
export function routeLines(route: Route, format: 'stdout' | 'json'): string[] {
  const shown = withoutSecrets(route)
  return format === 'json' ? [JSON.stringify(shown, null, 2)] : linesOf(shown, '')
}

function withoutSecrets({ auth, pages, maintenance, ...rest }: Route): object {
  return {
    ...rest,
    ...(auth && { auth: { ...auth, users: mapped(auth.users, () => '***') } }),
    ...(pages && { pages: mapped(pages, sizeOf) }),
    ...(maintenance && {
      maintenance: { ...maintenance, ...(maintenance.page && { page: sizeOf(maintenance.page) }) },
    }),
  }
}

function mapped<T>(values: Readonly<Record<string, T>>, show: (value: T) => string) {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, show(value)]))
}

const sizeOf = (html: string) => `${Buffer.byteLength(html)} bytes of HTML`

function linesOf(value: object, indent: string): string[] {
  const entries = Object.entries(value)
  const width = Math.max(...entries.map(([key]) => key.length)) + 2
  return entries.flatMap(([key, each]) => {
    const text = textOf(each)
    return text === undefined
      ? [`${indent}${key}:`, ...linesOf(each as object, `${indent}    `)]
      : [`${indent}${`${key}:`.padEnd(width)}${text}`.trimEnd()]
  })
}

/** In one line, where that says it. */
function textOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return String(value)
  const entries = Object.entries(value)
  if (entries.every(([, each]) => each === true)) return entries.map(([key]) => key).join(', ') || 'none'
  const { host, port } = value as { host?: unknown; port?: unknown }
  return host !== undefined && port !== undefined ? `${host}:${port}` : undefined
}
