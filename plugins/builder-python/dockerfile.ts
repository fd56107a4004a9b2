import { posix } from 'node:path'

import type { Requirements } from './requirements.ts'

interface Plan {
  readonly requirements: Requirements | undefined
  /** Installed too, unless the requirements have it. */
  readonly server: string | undefined
  /** Django's static files are collected. */
  readonly collects: boolean
}

/** Dependencies come before the app, so that a change of the app alone leaves their layer as it is. */
export function dockerfileOf({ requirements, server, collects }: Plan): string {
  const install = installLine(requirements, server)
  const copy = 'COPY --chown=app:app [".", "/app/"]'
  const first = requirements && !requirements.local && requirements.files.every(isPlain)
  const steps = first
    ? [...copyFiles(requirements.files), install, copy]
    : requirements
      ? [copy, install]
      : [install, copy]
  const lines = ['FROM davit/stack-python', 'WORKDIR /app', ...steps, 'USER app', compile]
  return `${[...lines, ...(collects ? [collect] : [])].filter(Boolean).join('\n')}\n`
}

// At build rather than at every start. Templates with a .py name need not be Python.
const compile = 'RUN python -m compileall -q . >/dev/null || true'

// Settings that want a value which is only there at run time are common, so this does not end the build.
const collect = `RUN python manage.py collectstatic --noinput || echo ' !     collectstatic failed, static files are not collected' >&2`

function installLine(requirements: Requirements | undefined, server: string | undefined): string {
  const words = [
    ...(requirements ? ['-r', 'requirements.txt'] : []),
    ...(server && !requirements?.names.has(server) ? [server] : []),
  ]
  return words.length ? `RUN --mount=type=cache,target=/root/.cache/pip pip install ${words.join(' ')}` : ''
}

function copyFiles(files: readonly string[]): string[] {
  const folders = Map.groupBy(files, path => posix.dirname(path))
  return [...folders].map(
    ([folder, paths]) => `COPY ${JSON.stringify([...paths, posix.join('/app', folder, '/')])}`,
  )
}

/** COPY reads `$`, `*`, `[` and `\` in its words, JSON or not. */
function isPlain(path: string): boolean {
  return /^[\w./@+ -]+$/.test(path)
}
