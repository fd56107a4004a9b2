import type { ChildProcess } from 'node:child_process'

import type { Env } from '../types.ts'
import { ended, endGroup, type Git } from './git.ts'
import type { GitStreams } from './push.ts'

/** Runs a service that only reads the repository, for a client on the other side of `streams`. Answers git's exit code. */
export async function serve(
  git: Git,
  repo: string,
  service: 'upload-pack' | 'upload-archive',
  streams: GitStreams,
): Promise<number> {
  const words = service === 'upload-pack' ? [service, '--strict', '.'] : [service, '.']
  const child = git.start(repo, words, { env: protocolEnv(streams), signal: streams.signal })
  connect(child, streams)
  return ended(child)
}

/** The one variable that a client may set, and only to what git defines (gitprotocol-v2). */
export function protocolEnv({ protocol }: GitStreams): Env {
  return protocol && /^version=[0-2]$/.test(protocol) ? { GIT_PROTOCOL: protocol } : {}
}

/**
 * Joins git's pipes with the client's streams, each waiting for the other. A client that stops listening ends git, unless it `stays`:
 * then it goes on with nobody to hear it.
 */
export function connect(
  child: ChildProcess,
  { stdin, stdout, stderr }: GitStreams,
  { stays = () => false }: { stays?: () => boolean } = {},
): void {
  const gone = () => {
    if (!stays()) return endGroup(child)
    child.stdout!.unpipe(stdout).resume()
    child.stderr!.unpipe(stderr).resume()
  }
  const noMore = () => child.stdin?.end()
  stdin.pipe(child.stdin!)
  stdin.once('close', noMore).once('error', noMore)
  child.stdout!.pipe(stdout, { end: false })
  child.stderr!.pipe(stderr, { end: false })
  stdout.once('close', gone).once('error', gone)
  child.once('close', () => {
    stdin.unpipe(child.stdin!)
    stdout.off('close', gone).off('error', gone)
  })
}
