import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:fs'
import { access, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'

import { diskFull, isDiskFull, UserError } from '../errors.ts'
import { ended, type Git, GitFailed, tail } from './git.ts'
import type { Accept, GitStreams, Push, PushTools } from './push.ts'
import { connect, protocolEnv } from './service.ts'

/**
 * Runs git receive-pack and asks `accept` when its pre-receive hook asks us. Answers git's exit code once git's processes are gone
 * and `accept` has settled; what `accept` throws rejects the push and is thrown again here.
 */
export async function receive(git: Git, repo: string, streams: GitStreams, accept: Accept): Promise<number> {
  let kept = false
  const left = new AbortController()
  const leave = () => kept || left.abort()
  streams.signal.addEventListener('abort', leave, { once: true })
  if (streams.signal.aborted) leave()
  const child = git.start(repo, ['receive-pack', '.'], {
    env: protocolEnv(streams),
    signal: left.signal,
    talking: true,
  })
  const hook = hookOf(child)
  const over = new AbortController()
  child.once('exit', () => {
    hook.hangUp()
    over.abort()
  })
  connect(child, streams, { stays: () => kept })
  const keep = () => {
    kept = true
  }
  const signal = AbortSignal.any([left.signal, over.signal])
  const said = tail(child.stdout!)
  const [exit, talk] = await Promise.allSettled([ended(child), converse(hook, accept, { signal, keep })])
  if (exit.status === 'rejected') throw exit.reason
  if (talk.status === 'rejected') throw talk.reason
  if (!talk.value) await refuseUnstored(repo, exit.value, await said)
  return exit.value
}

/** git could not keep what came, and said so in a line of its own. It counts that as the pusher's affair, so its exit code may be 0. */
async function refuseUnstored(repo: string, exit: number, said: string): Promise<void> {
  const failed = new GitFailed(['receive-pack'], exit, said)
  if (isDiskFull(failed)) throw failed
  // About this one it does not say why.
  if (!/unable to create temporary object directory/.test(said)) return
  const { bavail, files, ffree } = await statfs(repo)
  if (bavail === 0 || (files > 0 && ffree === 0)) throw diskFull("Davit's data", repo, failed)
}

/** UserError `hook-unusable` when git would silently skip the hook, and so take every push. */
export async function checkHook(hooks: string): Promise<void> {
  const hook = join(hooks, 'pre-receive')
  try {
    await access(hook, constants.X_OK)
  } catch (cause) {
    throw new UserError(
      'hook-unusable',
      `${hook} cannot be run, so pushes would not be deployed.`,
      `Make it executable: chmod 755 ${hook}`,
      { cause },
    )
  }
}

/** Answers whether the hook asked. */
async function converse(
  hook: Hook,
  accept: Accept,
  tools: Pick<PushTools, 'signal' | 'keep'>,
): Promise<boolean> {
  let exit = 1
  try {
    const push = await hook.push
    if (push) exit = await accept(push, { say: hook.say, ...tools })
    return push !== undefined
  } finally {
    hook.end(exit)
  }
}

/** The other side of scripts/git-hooks/pre-receive. */
interface Hook {
  /** What it was told by git; undefined when git ended without asking. */
  readonly push: Promise<Push | undefined>
  say(line: string): void
  end(exit: number): void
  hangUp(): void
}

function hookOf(child: ChildProcess): Hook {
  const [, , , questions, words] = child.stdio as unknown as Duplex[]
  // The hook may be gone at any moment; git's exit tells.
  for (const stream of [questions!, words!]) stream.on('error', () => {})
  words!.resume()
  return {
    push: hear(questions!),
    say: speaker(words!),
    end(exit) {
      words!.end()
      questions!.end(`exit:${status(exit)}\n`)
    },
    hangUp() {
      questions!.destroy()
      words!.destroy()
    },
  }
}

/** 256 would reach the shell as 0, which takes the push. */
function status(exit: number): number {
  return Number.isInteger(exit) && exit >= 0 && exit <= 255 ? exit : 1
}

/** Characters that a push's refs may take: some hundred thousand of them. */
const mostWords = 2 ** 24

function hear(questions: Duplex): Promise<Push | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Push | undefined>()
  let text = ''
  questions.setEncoding('utf8')
  questions.on('data', (chunk: string) => {
    if (text.length > mostWords) return reject(new UserError('too-many-refs', 'The push has too many refs.'))
    text += chunk
    if (!/[\0\n]end\n$/.test(text.slice(-5))) return
    try {
      resolve(pushIn(text))
    } catch (error) {
      reject(error)
    }
  })
  questions.once('close', () => resolve(undefined))
  return promise
}

function pushIn(text: string): Push {
  const [objects, alternates, quarantine, lines] = text.split('\0')
  if (lines === undefined) throw new Error('The hook told of no refs.')
  return {
    refs: lines.split('\n').slice(0, -2).map(refIn),
    // A push that only deletes brings no objects.
    quarantine: !objects
      ? {}
      : {
          GIT_OBJECT_DIRECTORY: objects,
          GIT_ALTERNATE_OBJECT_DIRECTORIES: alternates ?? '',
          GIT_QUARANTINE_PATH: quarantine ?? '',
        },
  }
}

function refIn(line: string): Push['refs'][number] {
  const [, before, after, name] = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (refs\/.+)$/.exec(line) ?? []
  if (!before || !after || !name) throw new Error(`The hook told of no ref: ${line}`)
  if (name.includes('\ufffd')) throw new UserError('bad-branch', 'Names of branches and tags are UTF-8.')
  return { old: before, new: after, name }
}

/** `say` cannot wait, so a pusher who reads slower than a build talks misses lines rather than filling our memory. */
function speaker(words: Duplex): (line: string) => void {
  let missed = 0
  return line => {
    if (words.destroyed || words.writableEnded) return
    if (words.writableLength > 4 << 20) {
      missed++
      return
    }
    if (missed) words.write(`… ${missed} lines left out …\n`)
    missed = 0
    words.write(`${line}\n`)
  }
}
