import { type Api, answered, path } from './api.ts'
import type { ImageInfo, Labels } from './engine.ts'
import { filters, inspectAll } from './filters.ts'

interface RawImage {
  readonly Id: string
  readonly RepoTags: readonly string[] | null
  readonly Size: number
  readonly Config: {
    readonly Labels?: Labels | null
    readonly ExposedPorts?: Readonly<Record<string, object>> | null
    readonly Cmd?: readonly string[] | null
    readonly Entrypoint?: readonly string[] | null
  } | null
}

export async function image(api: Api, reference: string): Promise<ImageInfo | undefined> {
  try {
    return infoOf(await api.ask<RawImage>('GET', path`/images/${reference}/json`))
  } catch (error) {
    if (answered(error, 404, 400)) return undefined
    throw error
  }
}

export async function images(api: Api, labels: Labels): Promise<readonly ImageInfo[]> {
  const found = await api.ask<readonly { Id: string }[]>('GET', '/images/json', {
    query: filters({ labels }),
  })
  return inspectAll(found, ({ Id }) => image(api, Id))
}

/** `tag` is `repository:tag`; the repository may name a registry with a port. */
export async function tag(api: Api, reference: string, tag: string): Promise<void> {
  const colon = tag.lastIndexOf(':')
  const query =
    colon > tag.lastIndexOf('/') ? { repo: tag.slice(0, colon), tag: tag.slice(colon + 1) } : { repo: tag }
  await api.ask('POST', path`/images/${reference}/tag`, { query, idempotent: true })
}

export async function removeImage(api: Api, reference: string): Promise<boolean> {
  try {
    await api.ask('DELETE', path`/images/${reference}`)
    return true
  } catch (error) {
    if (answered(error, 404, 409)) return false
    throw error
  }
}

function infoOf({ Id, RepoTags, Size, Config }: RawImage): ImageInfo {
  return {
    id: Id,
    tags: RepoTags ?? [],
    labels: Config?.Labels ?? {},
    ports: Object.keys(Config?.ExposedPorts ?? {})
      .flatMap(port => /^(\d+)\/tcp$/.exec(port)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b),
    command: Config?.Cmd ?? [],
    entrypoint: Config?.Entrypoint ?? [],
    bytes: Size,
  }
}
