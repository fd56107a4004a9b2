import http from 'node:http'

/** Asks for a page ten times a second, on a new connection each time, and tells how long it took. */
export function watchGoodClient(port: number) {
  const times: number[] = []
  const asking = new Set<Promise<void>>()
  const failures: string[] = []
  const timer = setInterval(() => {
    const began = performance.now()
    const asked = ask(port).then(
      () => void times.push(performance.now() - began),
      (error: Error) => void failures.push(error.message),
    )
    asking.add(asked)
    void asked.then(() => asking.delete(asked))
  }, 100)
  return {
    async end() {
      clearInterval(timer)
      await Promise.all(asking)
      times.sort((a, b) => a - b)
      const at = (share: number) => Math.round(times[Math.floor((times.length - 1) * share)] ?? Number.NaN)
      return { good: times.length, failures, p50: at(0.5), p99: at(0.99), most: at(1) }
    },
  }
}

function ask(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', headers: { host: 'shop.test' }, agent: false, timeout: 10_000 }
    const req = http.get(options, res => {
      res.resume()
      res.on('end', () => (res.statusCode === 200 ? resolve() : reject(new Error(`${res.statusCode}`))))
      res.on('close', () => reject(new Error('half of an answer')))
    })
    req.on('timeout', () => req.destroy(new Error('late')))
    req.on('error', reject)
  })
}
