import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { UsageError } from './command.js';

interface Asking {
  readonly fromStdin: boolean;
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Where the person at the terminal is asked. */
  readonly prompt?: NodeJS.WritableStream;
}

/** All of stdin, without the end of its line; or typed at the terminal, where it is not shown. */
export async function askPassword(asking: Asking): Promise<string> {
  const { fromStdin, input = process.stdin, prompt = process.stderr } = asking;
  const password = fromStdin ? (await readAll(input)).replace(/\r?\n$/, '') : await typed(input, prompt);
  if (password === '') throw new UsageError('there is no password');
  return password;
}

async function typed(input: NonNullable<Asking['input']>, prompt: NodeJS.WritableStream): Promise<string> {
  if (input.isTTY !== true) throw new UsageError('there is no terminal to ask for a password: use --password-stdin');
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: unseen, terminal: true });
  const cancelled = new AbortController();
  // Ctrl-C, or Ctrl-D before anything was typed.
  for (const end of ['SIGINT', 'close'] as const) lines.once(end, () => cancelled.abort());
  prompt.write('Password: ');
  try {
    return await lines.question('', { signal: cancelled.signal });
  } catch (error) {
    throw cancelled.signal.aborted ? new UsageError('cancelled') : error;
  } finally {
    lines.close();
    prompt.write('\n');
  }
}
