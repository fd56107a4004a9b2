import http from 'node:http'

import type { Logger } from '../log.ts'
import type { Listen } from '../settings.ts'
import { contentType } from './exposition.ts'

export interface Exporter {
  close(): void
}

const againMs = 2_000

/**
 * Answers `GET /metrics`, on an address of its own. It is the least important thing that the proxy does: a port that is taken is told once and
 * tried again and again, and nothing else waits for it.
 */
export function openExporter(
  { host, port }: Listen,
  { text, log }: { text: () => string; log: Logger },
): Exporter {
  let timer: NodeJS.Timeout | undefined
  let told = false
  const server = http.createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (req, res) => {
    if (req.url?.replace(/\?.*/s, '') !== '/metrics')
      return void res.writeHead(404, { 'Content-Type': 'text/plain' }).end('The metrics are at /metrics.\n')
    if (req.method !== 'GET' && req.method !== 'HEAD')
      return void res.writeHead(405, { Allow: 'GET, HEAD' }).end()
    try {
      const body = text()
      res.writeHead(200, { 'Content-Type': contentType }).end(body)
    } catch (err) {
      // Whatever is wrong with the counts, requests go on.
      log.error({ err }, 'the metrics met a bug')
      res.writeHead(500).end()
    }
  })
  server.maxConnections = 64
  const listen = () => server.listen({ host, port })
  server.on('listening', () => {
    log.info(`metrics are at http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`)
    told = false
  })
  server.on('error', (error: NodeJS.ErrnoException) => {
    const why = error.code === 'EADDRINUSE' ? 'it is in use by another program' : error.message
    if (!told)
      log.warn(`no metrics on ${host} port ${port}: ${why}. It is tried again. Another: --metrics-listen`)
    told = true
    timer = setTimeout(listen, againMs).unref()
  })
  listen()
  return {
    close() {
      clearTimeout(timer)
      server.close()
      server.closeAllConnections()
    },
  }
}
