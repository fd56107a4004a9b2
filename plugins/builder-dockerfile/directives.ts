const directive = /^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S.*)$/

/**
 * Takes the `syntax` directive out, because BuildKit always pulls the image that it names, even when it is there. Directives
 * stand on the first lines, before any comment, empty line or instruction (Dockerfile reference, "Parser directives").
 */
export function withoutSyntax(text: string): { dockerfile: string; syntax: string | undefined } {
  const lines = text.replace(/^\uFEFF/, '').split('\n')
  for (const [at, line] of lines.entries()) {
    const [, name, value] = directive.exec(line.trim()) ?? []
    if (!name) break
    if (name.toLowerCase() === 'syntax')
      return { dockerfile: lines.toSpliced(at, 1).join('\n'), syntax: value }
  }
  return { dockerfile: text, syntax: undefined }
}
