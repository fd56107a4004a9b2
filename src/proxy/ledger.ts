import { join } from 'node:path'

import type { Logger } from '../log.ts'
import { type Listen, programVersion } from '../settings.ts'
import type { AppMetrics } from '../types.ts'
import type { Verb } from './control.ts'
import { openExporter } from './exporter.ts'
import { expositionOf } from './exposition.ts'
import { openLogFiles } from './logfiles.ts'
import type { Report } from './report.ts'
import { openSums } from './sums.ts'

/** What the first process keeps of what its workers see: log files within bounds, and counts. */
export interface Ledger {
  /** Where workers write. */
  readonly logs: string
  hear(worker: number, report: Report): void
  /** A worker is gone. */
  lose(worker: number): void
  /** What is written down and counted of an app goes where the app goes. */
  follow(order: Verb): void
  recent(app?: string): readonly AppMetrics[]
  /** Keeps nothing within bounds any more, and gives its address up; it still hears. */
  close(): Promise<void>
}

export interface LedgerOptions {
  readonly metricsListen: Listen | undefined
  /** Those that there are now. */
  readonly apps: () => ReadonlySet<string>
  readonly workers: () => number
  /** Before this nobody knows what apps there are. */
  readonly loaded: Promise<void>
  readonly log: Logger
}

const tidyMs = 3600 * 1000

export function openLedger(
  dir: string,
  { metricsListen, apps, workers, loaded, log }: LedgerOptions,
): Ledger {
  const logs = join(dir, 'logs')
  const files = openLogFiles(logs, { log })
  const sums = openSums()
  const startedAt = Date.now() / 1000
  const text = () => expositionOf(sums, { version: programVersion(), workers: workers(), startedAt })
  const exporter = metricsListen && openExporter(metricsListen, { text, log })
  const tidy = () => void files.tidy(apps())
  const timer = setInterval(tidy, tidyMs).unref()
  void loaded.then(tidy)
  let closed = false

  return {
    logs,
    hear(worker, report) {
      // Another keeps them within bounds by then.
      if (!closed) files.wrote(report.wrote)
      sums.add(worker, report)
    },
    lose: sums.lose,
    follow(order) {
      if (order.verb === 'rename') {
        void files.rename(order.was, order.app)
        sums.rename(order.was, order.app)
      }
      if (order.verb === 'forget') {
        void files.remove(order.app)
        sums.forget(order.app)
      }
      if (order.verb === 'sync') {
        tidy()
        sums.sync(apps())
      }
    },
    recent: sums.recent,
    async close() {
      closed = true
      clearInterval(timer)
      exporter?.close()
      await files.idle()
    },
  }
}
