import pino from 'pino'

/** Of pino: `log.info({ app: app.name }, 'a sentence')`. Never log a secret. */
export type Logger = pino.Logger

/** Would stay in the memory of every process, and only a terminal needs it. */
const pretty = process.stdout.isTTY ? (await import('pino-pretty')).default : undefined

/** JSON lines on stdout (what journald and log shippers read); on a terminal, lines for a person. */
export function openLog(name: string): Logger {
  const options: pino.LoggerOptions = {
    name,
    timestamp: pino.stdTimeFunctions.isoTime,
    base: { name },
    redact: ['env', 'config', '*.env', '*.config', '*.password'],
  }
  if (!pretty) return pino(options, standardOutput())
  return pino(
    options,
    pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', singleLine: true }),
  )
}

/** Characters that wait for room. What comes beyond them is lost. */
const mostWaiting = 2 ** 20

/** A log that cannot be written, on a full disk say, ends nobody and holds nobody up: its lines wait, and are written with the first one that can. */
function standardOutput(): pino.DestinationStream {
  const output = pino.destination({ dest: 1, sync: true, maxLength: mostWaiting })
  output.on('error', () => {})
  return output
}
