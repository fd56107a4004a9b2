/** The time as fields say it (RFC 9110 5.6.7), put into words once a second. */
export function openDate(): () => string {
  let words = ''
  let until = 0
  return () => {
    const now = Date.now()
    if (now >= until) {
      words = new Date(now).toUTCString()
      until = now - (now % 1000) + 1000
    }
    return words
  }
}
