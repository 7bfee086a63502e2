import { PassThrough, Readable, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { UsageError } from '../src/command.js';
import { askPassword } from '../src/password.js';

const piped = (text: string) => askPassword({ fromStdin: true, input: Readable.from([Buffer.from(text)]) });

/** A terminal at which these keys are typed once the person was asked. */
async function typedAt(keys: string): Promise<{ readonly answer: Promise<string>; readonly shown: () => string }> {
  let shown = '';
  const prompt = new Writable({
    write(chunk, _encoding, done) {
      shown += chunk;
      done();
    },
  });
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input });
  const answer = askPassword({ fromStdin: false, input, prompt });
  answer.catch(() => undefined);
  await turn();
  input.write(keys);
  return { answer, shown: () => shown };
}

describe('a password from stdin', () => {
  it.each([
    ['the end of its line', 'open sesame\n'],
    ['the end of a line of Windows', 'open sesame\r\n'],
    ['nothing', 'open sesame'],
  ])('is taken without %s', async (_, text) => {
    expect(await piped(text)).toBe('open sesame');
  });

  it('keeps its blanks', async () => {
    expect(await piped(' open sesame \n')).toBe(' open sesame ');
  });

  it('is missing where stdin is empty', async () => {
    await expect(piped('\n')).rejects.toThrow(new UsageError('there is no password'));
  });
});

describe('a password at the terminal', () => {
  it('is asked for, and not shown', async () => {
    const { answer, shown } = await typedAt('open sesamm\u007fe\r');
    expect(await answer).toBe('open sesame');
    expect(shown()).toBe('Password: \n');
  });

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('is not waited for after %s', async (_, key) => {
    const { answer, shown } = await typedAt(key);
    await expect(answer).rejects.toThrow(new UsageError('cancelled'));
    expect(shown()).toBe('Password: \n');
  });

  it('is not asked for where there is no terminal', async () => {
    const asking = askPassword({ fromStdin: false, input: new PassThrough() });
    await expect(asking).rejects.toThrow(/no terminal .* --password-stdin/);
  });
});
