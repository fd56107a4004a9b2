import { spawnSync } from 'node:child_process'

/** A user and a group that a program runs as. */
export interface ProgramUser {
  readonly uid: number
  readonly gid: number
}

/** What one program may use, with all that it starts. */
export const bounds = { bytes: 1 << 30, processes: 256 }

/**
 * Words before a program's own: what it may use as far as the kernel counts that for one process, or for a user. It is the first to go when
 * the host runs out of memory. RLIMIT_DATA rather than RLIMIT_AS: what is reserved and not used costs nothing, and Node reserves much.
 */
export function limited(user: ProgramUser | undefined): readonly string[] {
  // Of a user that others are too, the kernel would count those. It counts all programs; what one may have is seen to by who looks at it.
  const processes = user ? [`--nproc=${bounds.processes * 2}`] : []
  return ['choom', '-n', '1000', '--', 'prlimit', `--data=${bounds.bytes}`, '--core=0', ...processes, '--']
}

export function asUser(user: ProgramUser | undefined): readonly string[] {
  const as = user
    ? [
        `--reuid=${user.uid}`,
        `--regid=${user.gid}`,
        ...['--clear-groups', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs'],
      ]
    : []
  return ['setpriv', ...as, '--pdeathsig', 'KILL', '--']
}

const apart = ['--pid', '--fork', '--kill-child=KILL']
const ownProc = ['--mount-proc', '--propagation', 'slave']
const asItself = ['--user', '--map-current-user']

/** From the best to the least: root's own way, then the one that is open to anybody where the kernel lets it. */
const fences: readonly (readonly string[])[] = [
  [...apart, ...ownProc],
  [...asItself, ...apart, ...ownProc],
  [...asItself, ...apart],
]

/** So that what a program leaves behind has somebody who sees it end. */
const inits = ['tini', 'docker-init']

/**
 * Words that put a program with all it starts into a process namespace (pid_namespaces(7)) that ends with it: nothing gets out, whatever
 * session or group it makes for itself. Undefined where this host, or what holds the daemon, does not allow that.
 */
export function findFence(
  user: ProgramUser | undefined,
  env: Readonly<Record<string, string>>,
): readonly string[] | undefined {
  const tried = inits.flatMap(init => fences.map(words => ['unshare', ...words, '--', init, '-s', '--']))
  return tried.find(words => {
    const [file, ...args] = [...asUser(user), ...words, 'true']
    return spawnSync(file!, args, { env, stdio: 'ignore', timeout: 5_000 }).status === 0
  })
}
