import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'

import type { Test } from 'tap'

import { plainEnv } from '../../src/settings.ts'
import { openStore } from '../../src/store/open.ts'
import type { NewContainerRow, NewRelease, Store } from '../../src/store/store.ts'
import type { AppName, ContainerSpec } from '../../src/types.ts'

export const shop = 'shop' as AppName
export const blog = 'blog' as AppName

export interface Place {
  readonly file: string
  readonly keyFile: string
}

/** Where one test keeps its store. */
export function place(t: Test): Place {
  const dir = t.testdir()
  return { file: join(dir, 'davit.db'), keyFile: join(dir, 'seal.key') }
}

/** `at` and `now` where the test needs its own. */
export function store(t: Test, { at = place(t), now }: { at?: Place; now?: () => Date } = {}): Store {
  const opened = openStore(now ? { ...at, now } : at)
  t.teardown(() => opened.close())
  return opened
}

export function newRelease(change: Partial<NewRelease> = {}): NewRelease {
  return {
    image: 'sha256:1234',
    revision: undefined,
    procfile: { web: 'node .' },
    port: 5000,
    config: {},
    by: 'ana',
    why: 'push',
    ...change,
  }
}

export const spec: ContainerSpec = {
  image: 'sha256:1234',
  command: ['/bin/sh', '-c', 'exec node .'],
  env: { PORT: '5000' },
  mounts: {},
  labels: {},
  pidLimit: 100,
  stopTimeout: 30,
}

export function newContainer(change: Partial<NewContainerRow> = {}): NewContainerRow {
  return {
    process: 'web',
    index: 1,
    release: 1,
    name: 'davit-shop.web.1.abcd',
    address: '10.0.0.2',
    port: 5000,
    hash: 'f00d',
    spec,
    ...change,
  }
}

export interface Writer {
  readonly child: ChildProcess
  readonly lines: Interface
  readonly ended: Promise<unknown>
}

/** Another process that writes into the store and says so, line by line. */
export function writer(t: Test, { file, keyFile }: Place, words: readonly string[]): Writer {
  const script = join(import.meta.dirname, 'writer.ts')
  const child = spawn(process.execPath, [script, file, keyFile, ...words], {
    env: plainEnv(),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise(resolve => child.once('close', resolve))
  t.teardown(() => {
    child.kill('SIGKILL')
    return ended
  })
  return { child, lines: createInterface({ input: child.stdout! }), ended }
}
