import { isIPv6 } from 'node:net'

import type { Destination } from '../outbound.ts'
import type { Env } from '../types.ts'
import { type Git, GitFailed } from './git.ts'
import { tooOld } from './unfetched.ts'

export interface Fetch {
  readonly destination: Destination
  readonly commit: string
  readonly signal: AbortSignal
  /** The most that may come in. */
  readonly bytes: number
}

/** A ref of its own for each commit: written last, so what it names is there as a whole. */
export const kept = 'refs/kept/'

/** The commit alone; where a server gives out only what its branches and tags are at, all of them. */
export async function fetchCommit(git: Git, repo: string, fetch: Fetch): Promise<void> {
  const { commit } = fetch
  try {
    await fetchRefs(git, repo, fetch, ['--depth=1'], [`+${commit}:${kept}${commit}`])
    return
  } catch (error) {
    if (!(error instanceof GitFailed) || !/unadvertised object|want \w+ not valid/i.test(error.said))
      throw error
  }
  // A depth past every history: without one git would turn to the dumb protocol, which checks no object and goes wherever it is sent.
  const everything = ['refs/heads/*', 'refs/tags/*'].map(refs => `+${refs}:refs/fetched/${refs.slice(5)}`)
  await fetchRefs(git, repo, fetch, [`--depth=${2 ** 31 - 1}`, '--prune'], everything)
  await git.ask(repo, ['update-ref', `${kept}${commit}`, commit], { signal: fetch.signal })
}

async function fetchRefs(
  git: Git,
  repo: string,
  { destination, signal, bytes }: Fetch,
  flags: readonly string[],
  refs: readonly string[],
): Promise<void> {
  const quiet = ['--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--no-progress']
  const words = ['fetch', ...quiet, ...flags, '--end-of-options', destination.url.href, ...refs]
  await git.ask(repo, words, {
    config: configFor(destination),
    // No file of a home may sign us in.
    env: { HOME: '/nonexistent' },
    signal,
    fileBytes: bytes,
  })
}

/** git goes to the addresses that were found to be allowed, and nowhere else. */
export function configFor({ url, port, addresses }: Destination): Env {
  const pinned = addresses.map(each => (isIPv6(each) ? `[${each}]` : each)).join(',')
  return {
    [`protocol.${url.protocol.slice(0, -1)}.allow`]: 'always',
    // Whatever the name, git connects to the addresses that were found to be allowed: nothing is looked up a second time.
    'http.curloptResolve': `*:${port}:${pinned}`,
    'http.followRedirects': 'false',
    'http.proxy': '',
    'http.lowSpeedLimit': '1000',
    'http.lowSpeedTime': '60',
  }
}

/** `http.curloptResolve` came with git 2.37; an older one would pass it over in silence. */
export async function refuseOldGit(git: Git, repo: string): Promise<void> {
  const text = (await git.ask(repo, ['version'])).toString()
  const [, major, minor] = /(\d+)\.(\d+)/.exec(text) ?? []
  if (Number(major) < 2 || (Number(major) === 2 && Number(minor) < 37)) throw tooOld(text.trim())
}
