import { randomUUID } from 'node:crypto'
import { finished } from 'node:stream/promises'

import { Cancelled, messageOf, UserError } from '../errors.ts'
import { type Api, answered, type Query } from './api.ts'
import { openClassicSteps } from './classic.ts'
import type { NewBuild } from './engine.ts'
import { lines } from './lines.ts'
import { type Failure, openSteps, reasonOf } from './steps.ts'
import type { TraceDecoder } from './trace.ts'

/** The image could not be built: names the step, as its Dockerfile has it, and keeps the last lines it printed. */
export class BuildError extends UserError {
  readonly step: string | undefined
  /** Of the step's command; undefined when something else went wrong. */
  readonly exitCode: number | undefined
  readonly output: readonly string[]

  constructor({ step, reason, output }: Partial<Failure> & { reason: string }, cause?: unknown) {
    super(
      'build-failed',
      step ? `The build failed at ${step}: ${reason}` : `The build failed: ${reason}`,
      undefined,
      {
        cause,
      },
    )
    this.name = 'BuildError'
    this.step = step
    this.exitCode = Number(/^exit code (\d+)$/.exec(reason)?.[1] ?? NaN) || undefined
    this.output = output ?? []
  }
}

interface Options {
  readonly decode: TraceDecoder
  readonly buildKit: boolean
}

/** Answers the image's id. UserError `context-failed` when the context breaks off, Cancelled or the signal's reason on abort. */
export async function build(api: Api, build: NewBuild, { decode, buildKit }: Options): Promise<string> {
  const { context, signal } = build
  const id = randomUUID()
  const broken = new AbortController()
  void finished(context, { writable: false }).catch(error => broken.abort(contextFailure(error)))
  const either = AbortSignal.any([signal, broken.signal])
  const progress = openProgress(build, decode)
  try {
    const query = queryOf(build, { id, buildKit })
    const stream = await api.stream('POST', '/build', { query, file: context, signal: either })
    for await (const line of lines(stream)) progress.message(JSON.parse(line) as Message)
    either.throwIfAborted()
    return progress.image()
  } catch (error) {
    if (signal.aborted) await cancel(api, id)
    throw reasonFor(error, { signal, broken: broken.signal, failure: progress.failure() })
  } finally {
    context.destroy()
  }
}

function queryOf(build: NewBuild, { id, buildKit }: { id: string; buildKit: boolean }): Query {
  return {
    t: build.tag,
    dockerfile: build.dockerfile,
    target: build.target,
    buildargs: build.buildArgs,
    labels: build.labels,
    buildid: id,
    rm: true,
    forcerm: true,
    // BuildKit. A session, as its own clients open one, is only wanted for secrets and for contexts that are not tars.
    version: buildKit ? 2 : undefined,
  }
}

interface Message {
  readonly id?: string
  readonly aux?: string | { readonly ID?: string }
  readonly stream?: string
  readonly error?: string
}

function openProgress({ line, buildArgs }: NewBuild, decode: TraceDecoder) {
  const steps = openSteps(line, { buildArgs })
  const classic = openClassicSteps(line)
  let image: string | undefined
  return {
    message({ id, aux, stream, error }: Message) {
      if (id === 'moby.buildkit.trace' && typeof aux === 'string') steps.trace(decode(aux))
      else if (typeof aux === 'object' && aux.ID) image = aux.ID
      if (stream) classic.push(stream)
      if (error) throw new BuildError(steps.failure() ?? classic.failure(error))
    },
    failure: () => steps.failure(),
    image() {
      if (image === undefined) throw new Error('The engine ended the build without naming an image')
      return image
    },
  }
}

// The engine sees a closed connection only when it next reads or writes it; this it acts on at once.
async function cancel(api: Api, id: string): Promise<void> {
  await api.ask('POST', '/build/cancel', { query: { id }, seconds: 10 }).catch(() => undefined)
}

function contextFailure(error: unknown): UserError {
  if (error instanceof UserError) return error
  return new UserError('context-failed', `The source could not be read: ${messageOf(error)}`, undefined, {
    cause: error,
  })
}

function reasonFor(
  error: unknown,
  { signal, broken, failure }: { signal: AbortSignal; broken: AbortSignal; failure: Failure | undefined },
): unknown {
  if (signal.aborted) return signal.reason instanceof UserError ? signal.reason : new Cancelled()
  if (error instanceof BuildError) return error
  if (broken.aborted) return broken.reason
  if (failure) return new BuildError(failure, error)
  // What is wrong with the request itself is wrong with what the person wrote: a Dockerfile that does not parse.
  if (answered(error, 400, 404, 500)) return new BuildError({ reason: reasonOf(error.message) }, error)
  return error
}
