import pino from 'pino'
import pretty from 'pino-pretty'

export type Logger = pino.Logger

/** JSON lines on stdout (what journald and log shippers read); on a terminal, lines for a person. */
export function openLog(name: string): Logger {
  const options: pino.LoggerOptions = {
    name,
    timestamp: pino.stdTimeFunctions.isoTime,
    base: { name },
    redact: ['env', 'config', '*.env', '*.config', '*.password'],
  }
  if (!process.stdout.isTTY) return pino(options)
  return pino(
    options,
    pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', singleLine: true }),
  )
}
