import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { UsageError } from './command.js';

/** All of stdin, without the end of its line; or typed at the terminal, where it is not shown. */
export async function askPassword({ fromStdin }: { readonly fromStdin: boolean }): Promise<string> {
  const password = fromStdin ? (await readAll(process.stdin)).trim() : await typed();
  if (password === '') throw new UsageError('there is no password');
  return password;
}

async function typed(): Promise<string> {
  if (!process.stdin.isTTY) throw new UsageError('there is no terminal to ask for a password: use --password-stdin');
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: unseen, terminal: true });
  const cancelled = new AbortController();
  lines.on('SIGINT', () => cancelled.abort());
  process.stderr.write('Password: ');
  try {
    return await lines.question('', { signal: cancelled.signal });
  } catch (error) {
    throw cancelled.signal.aborted ? new UsageError('cancelled') : error;
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
