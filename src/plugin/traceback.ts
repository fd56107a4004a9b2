/** What an interpreter says when a program of a folder goes wrong, in one line, with its place: `KeyError: 'app' (hooks/beforeRelease:4)`. */

/**
 * Undefined where it is no such thing: then it is the program's own word. Interpreters name the file by its whole path and the line, as
 * `"/…/hooks/x", line 4` (Python), `/…/hooks/x: 4: ` (sh), `/…/hooks/x: line 4: ` (bash), `/…/hooks/x:4` (Ruby, Node), `at /…/hooks/x line 4` (Perl).
 */
export function tracebackIn(said: string, folder: string): string | undefined {
  const lines = said.split('\n').filter(line => line.trim() !== '')
  const places = lines.flatMap((line, at) => {
    const [, rest] = line.split(`${folder}/`)
    const { file, number, words } = named.exec(rest ?? '')?.groups ?? {}
    return file === undefined ? [] : [{ at, place: `${file}:${number}`, words: words!.trim() }]
  })
  // Python says the innermost place last, and what it is about after all of them.
  const isPython = said.includes('Traceback (most recent call last):')
  const found = isPython ? places.at(-1) : places[0]
  if (!found) return undefined
  const error = lines.find(line => /^\w*(?:Error|Exception)\b/.test(line))
  const text = isPython
    ? lines.at(-1)!
    : found.words || error || lines[found.at]!.replaceAll(`${folder}/`, '')
  return `${text.trim()} (${found.place})`
}

const named = /^(?<file>[^\s"',]+?)(?:", line |: line |: | line |:)(?<number>\d+)(?::\d+)?[:,.]?(?<words>.*)$/
