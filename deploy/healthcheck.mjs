// `node healthcheck.mjs [port]`: exit 0 when the process on this port of this machine answers that it lives.
// Whether it should get requests is another question, which the edge asks by /health/ready.
const [port = '3000'] = process.argv.slice(2);
const timeoutMs = 2_000;

try {
  const answer = await fetch(`http://127.0.0.1:${port}/health/live`, { signal: AbortSignal.timeout(timeoutMs) });
  process.exitCode = answer.ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
