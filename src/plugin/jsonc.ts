/** JSON with comments and trailing commas, as people write it into app.json. Throws SyntaxError. */
export function readJsonc(text: string): unknown {
  const plain = text.replace(
    /"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|(?<![{[,]\s*),(?=(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*[}\]])/g,
    found => (found.startsWith('"') ? found : ' '),
  )
  return JSON.parse(plain)
}
