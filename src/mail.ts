import type { Destination } from './outbound.ts'

/** Who takes letters, and who signs in there. */
export interface MailServer {
  /** `smtp.example.com:587`; with port 465 the connection begins with TLS, else it is asked for. */
  readonly server: string
  readonly user?: string
  readonly password?: string
}

/** Plain text; addresses as `ann@example.com`. */
export interface Letter {
  readonly from: string
  readonly to: string
  readonly subject: string
  readonly text: string
}

const waitMs = 20_000

/** Hands the letter to the server, over TLS wherever that speaks it, and always where there is a password. Throws what the server says. */
export async function mail(
  letter: Letter,
  { user, password }: MailServer,
  { url, port, addresses }: Destination,
): Promise<void> {
  // Only who sends mail pays for it.
  const { createTransport } = await import('nodemailer')
  const transport = createTransport({
    ...{
      host: addresses[0]!,
      port,
      secure: port === 465,
      requireTLS: password !== undefined && port !== 465,
    },
    tls: { servername: url.hostname },
    ...{ connectionTimeout: waitMs, greetingTimeout: waitMs, socketTimeout: waitMs },
    ...{ disableFileAccess: true, disableUrlAccess: true },
    ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
  })
  try {
    await transport.sendMail(letter)
  } finally {
    transport.close()
  }
}
