import { type Source, UserError } from 'davit/plugin'

import { codeOf } from './code.ts'

/** The Python of davit/stack-python: Debian trixie's. */
const stack = { major: 3, minor: 13 }

/** A sentence when the source asks for another Python than the stack's, which is then used all the same. UserError for Python 2. */
export async function otherVersion(source: Source): Promise<string | undefined> {
  for (const path of ['runtime.txt', '.python-version']) {
    const [, major, minor] = asked((await codeOf(source, path)) ?? '') ?? []
    if (!major) continue
    if (Number(major) < 3) {
      throw new UserError(
        'python-version',
        `${path} asks for Python ${major}; the stack has ${stack.major}.${stack.minor}.`,
        'Move the app to Python 3, or bring another Python with a Dockerfile.',
      )
    }
    if (minor && Number(minor) !== stack.minor)
      return `${path} asks for Python ${major}.${minor}; the stack's ${stack.major}.${stack.minor} is used.`
  }
}

/** `python-3.11.4` as in runtime.txt, `3.11` as in .python-version; comments and other implementations are passed over. */
function asked(text: string): RegExpExecArray | null {
  const line = text.split(/\r?\n/).find(each => !/^\s*(#|$)/.test(each)) ?? ''
  return /^\s*(?:c?python-)?(\d+)(?:\.(\d+))?(?:\.\d+)?\s*$/.exec(line)
}
