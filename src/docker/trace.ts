import { createRequire } from 'node:module'

/** BuildKit's progress, https://github.com/moby/buildkit/blob/master/api/services/control/control.proto. */
export interface Trace {
  readonly vertexes: readonly Vertex[]
  readonly logs: readonly { readonly vertex: string; readonly msg: Buffer }[]
}

export interface Vertex {
  readonly digest: string
  readonly name: string
  readonly cached: boolean
  readonly started: object | null
  readonly completed: object | null
  readonly error: string
}

export type TraceDecoder = (base64: string) => Trace

/** dockerode brings the message's schema and a reader for it, but hands out finished text only. */
export function traceDecoder(): TraceDecoder {
  const require = createRequire(import.meta.resolve('dockerode'))
  const schema = require.resolve('./proto/buildkit_status.proto')
  const status = require('protobufjs').loadSync(schema).lookupType('moby.buildkit.v1.StatusResponse')
  return base64 => status.decode(Buffer.from(base64, 'base64'))
}
