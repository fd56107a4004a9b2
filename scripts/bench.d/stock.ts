import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import { run, type Sandbox } from '../../test/e2e/sandbox.ts'
import { succeeded } from './answers.ts'

/** What is there: counted exactly, and its bytes as a disk has them. */
export interface Stock {
  readonly counts: Readonly<Record<string, number>>
  readonly bytes: Readonly<Record<string, number>>
}

export interface Places {
  readonly box: Sandbox
  /** The engine's socket and its data root. */
  readonly socket: string
  readonly dataRoot: string
}

export async function takeStock({ box, socket, dataRoot }: Places): Promise<Stock> {
  await succeeded(run('sync', []))
  const entries = async (path: string) => (await readdir(path).catch(() => [])).length
  const listed = async (...words: string[]) => {
    const { stdout } = await run('docker', ['--host', `unix://${socket}`, ...words])
    return stdout.split('\n').filter(Boolean).length
  }
  const layers = await bytesIn(dataRoot, 'overlay2')
  const outputs = await bytesIn(box.data, 'builds')
  const repositories = await bytesIn(box.data, 'git')
  return {
    counts: {
      images: (await box.images()).length,
      containers: await listed('ps', '--all', '--quiet'),
      networks: (await box.networks()).length,
      volumes: await listed('volume', 'ls', '--quiet'),
      "the engine's layers": await entries(join(dataRoot, 'image/overlay2/layerdb/sha256')),
      'folders of layers': await entries(join(dataRoot, 'overlay2')),
      'outputs of builds': await entries(join(box.data, 'builds')),
    },
    bytes: {
      'layers and cache': layers,
      "the engine's records": (await bytesIn(dataRoot)) - layers,
      'outputs of builds': outputs,
      repositories,
      'store and the rest': (await bytesIn(box.data)) - outputs - repositories,
    },
  }
}

/** As the disk has them, without what is mounted inside. What goes meanwhile counts as nothing. */
async function bytesIn(...path: string[]): Promise<number> {
  const words = ['--summarize', '--one-file-system', '--block-size=1', '--', join(...path)]
  return Number.parseInt((await run('du', words)).stdout, 10)
}
