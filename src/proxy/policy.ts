import { constants } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'

/**
 * What TLS is spoken: Mozilla's intermediate recommendation, version 6.0 (https://ssl-config.mozilla.org/guidelines/6.0.json), but that the
 * order of its ciphers counts. A client that names ChaCha20 first gets it, which is what Mozilla leaves the choice to clients for: they
 * know what they are quick at. Others get what is quickest here, and scanners that ask for an order of the server's own find one.
 */
export const policy = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  ecdhCurve: 'X25519MLKEM768:X25519:prime256v1:secp384r1',
  honorCipherOrder: true,
  secureOptions:
    constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION | constants.SSL_OP_PRIORITIZE_CHACHA,
  // One for all workers, or none would take up another's sessions.
  sessionIdContext: 'davit',
  // Seconds. The primary changes the key of the tickets as often.
  sessionTimeout: 24 * 3600,
} as const satisfies SecureContextOptions
