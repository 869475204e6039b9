/** A GET as the load sends it: whole, and for a connection that is kept. */
export function rawGet(path: string, headers: Readonly<Record<string, string>> = {}): string {
  const fields = Object.entries({ Host: 'bench.example', ...headers });
  return `GET ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}
