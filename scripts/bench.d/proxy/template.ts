/** `@NAME@` becomes its value; lines between `@each route@` and `@end@` come once for each route, with `@ROUTE@` as its hostname. */
export function fill(
  template: string,
  values: Readonly<Record<string, string>>,
  routes: readonly string[],
): string {
  const each = template.replace(/^@each route@\n(.*?)^@end@\n/gms, (_, lines: string) =>
    routes.map(route => lines.replaceAll('@ROUTE@', route)).join(''),
  )
  return each.replace(/@([A-Z]+)@/g, (_, name: string) => {
    if (values[name] === undefined) throw new Error(`${name} has no value`)
    return values[name]
  })
}
