import type { Source } from 'davit/plugin'

/**
 * A file's text as far as it is looked at: 64 KiB, without the lines over 400 characters. What is pushed is searched with regular
 * expressions, which must stay quick whatever it holds.
 */
export async function codeOf(source: Source, path: string): Promise<string | undefined> {
  const text = (await source.read(path))?.toString('utf8', 0, 64 * 1024)
  return text
    ?.split(/\r?\n/)
    .filter(line => line.length <= 400)
    .join('\n')
}
