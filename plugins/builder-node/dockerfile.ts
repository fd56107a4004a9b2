import type { Install } from './install.ts'
import type { Use } from './version.ts'

interface Plan {
  readonly app: string
  readonly install: Install | undefined
  /** Name of the script that builds. */
  readonly build: string | undefined
  readonly use: Use
}

/** Packages come before the app, so that a change of the app alone leaves their layer as it is. */
export function dockerfileOf({ app, install, build, use }: Plan): string {
  const tool = install?.tool
  const lines = [
    'FROM davit/stack-node',
    'WORKDIR /app',
    ...(use ? [`RUN ${JSON.stringify(['use-node', ...use])}`] : []),
    ...(tool ? [`RUN npm install --global ${tool}`] : []),
    'USER app',
    ...(install ? installed(app, install, build) : [copyAll]),
    'ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH',
  ]
  return `${lines.join('\n')}\n`
}

const copyAll = 'COPY --chown=app:app [".", "/app/"]'

/** Development packages are there for a build, and for the scripts that run at install. */
function installed(app: string, install: Install, build: string | undefined): string[] {
  const run = runner(app, install)
  const spare = build === undefined && !install.local && !install.hooked
  const packages = run(spare ? install.production : install.everything)
  const copied = install.local
    ? [copyAll, packages]
    : [`COPY --chown=app:app ${JSON.stringify([...install.files, '/app/'])}`, packages, copyAll]
  const built = build === undefined ? [] : [`RUN NODE_ENV=production npm run ${build}`]
  return [...copied, ...built, ...(spare || !install.prune ? [] : [run(install.prune)])]
}

/** Each app has a cache of its own: what one app's packages write there, no other app reads. */
function runner(app: string, { env }: Install): (line: string) => string {
  const mount = `--mount=type=cache,id=davit-node-${app},target=/var/cache/npm,uid=1000,gid=1000`
  const words = Object.entries({ HUSKY: '0', ...env }).map(([name, value]) => `${name}=${value}`)
  return line => `RUN ${mount} export ${words.join(' ')} && ${line}`
}
