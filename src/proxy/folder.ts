import { constants } from 'node:fs'
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'

export interface OpenFile {
  readonly handle: FileHandle
  readonly size: number
  readonly etag: string
  readonly modified: Date
}

/** Opens what lies at this path of the folder; the caller closes a file's handle. Nothing is reached through a link, wherever on the way. */
export async function openIn(folder: string, path: string): Promise<OpenFile | 'folder' | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(join(folder, path), flags).catch(unlessBroken)
  if (!handle) return undefined
  try {
    // The kernel's own word for where the descriptor leads, after every link on the way.
    const [real, root] = await Promise.all([readlink(`/proc/self/fd/${handle.fd}`), realpath(folder)])
    const stat = await handle.stat({ bigint: true })
    if (real === join(root, path).replace(/\/$/, '')) {
      if (stat.isDirectory()) {
        await handle.close()
        return 'folder'
      }
      if (stat.isFile()) {
        const etag = `"${stat.mtimeNs.toString(36)}-${stat.size.toString(36)}"`
        const modified = new Date(Math.floor(Number(stat.mtimeMs) / 1000) * 1000)
        return { handle, size: Number(stat.size), etag, modified }
      }
    }
  } catch (error) {
    await handle.close()
    return unlessBroken(error)
  }
  await handle.close()
  return undefined
}

/** A name that leads nowhere is no bug. Everything else, such as too many open files, is. */
function unlessBroken(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException
  if (code && ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'ENXIO', 'ENODEV'].includes(code))
    return undefined
  throw error
}
