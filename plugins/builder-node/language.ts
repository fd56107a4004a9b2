import type { Source } from 'davit/plugin'

import type { Start } from './entry.ts'
import type { Manifest } from './manifest.ts'

interface Look {
  readonly manifest: Manifest | undefined
  readonly start: Start
  readonly say: (line: string) => void
}

const startsPython = /^(manage|app|wsgi|main)\.py$/
const otherLanguage =
  /^(requirements\.txt|Pipfile|go\.mod|Gemfile|Cargo\.toml|composer\.json|pom\.xml|mix\.exs)$/

/** Whether this is built as a Node app. Where another language is there too, or only files to be shown, says what was chosen. */
export async function isNode(source: Source, { manifest, start, say }: Look): Promise<boolean> {
  const paths = await source.list()
  if (!manifest) return paths.includes('server.js') && !paths.some(isOther)
  if (await isPython(source, { paths, start })) {
    say('Python and Node are both here: this is built as a Python app. A Dockerfile can do both.')
    return false
  }
  if (paths.includes('requirements.txt')) {
    say('Python and Node are both here: this is built as a Node app. A Dockerfile can do both.')
  }
  return !isSite(paths, { manifest, start })
}

function isOther(path: string): boolean {
  return startsPython.test(path) || otherLanguage.test(path)
}

/** The Procfile's words decide; then a Python program at the root, for package.json is often about its assets. */
async function isPython(
  source: Source,
  { paths, start }: { paths: readonly string[]; start: Start },
): Promise<boolean> {
  const starts = paths.some(path => startsPython.test(path))
  if (!starts && !paths.includes('requirements.txt')) return false
  const procfile = (await source.read('Procfile'))?.toString('utf8', 0, 64 * 1024) ?? ''
  const [, web = ''] = /^web\s*:(.*)$/m.exec(procfile) ?? []
  if (/\b(gunicorn|uvicorn|hypercorn|daphne|waitress|flask|python3?)\b/.test(web)) return true
  if (/\b(node|npm|npx|yarn|pnpm|next)\b/.test(web)) return false
  return starts || start.kind === 'none'
}

/** A folder of finished pages whose package.json is for the tools of whoever made them. */
function isSite(
  paths: readonly string[],
  { manifest, start }: { manifest: Manifest; start: Start },
): boolean {
  if (paths.includes('static.json') || paths.includes('.static')) return true
  const page = paths.some(path => /^((public|dist|_site)\/)?index\.html$/.test(path))
  return page && start.kind === 'none' && !manifest.scripts.build
}
