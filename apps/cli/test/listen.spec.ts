import { UsageError } from '../src/command.js';
import { listenCommand } from '../src/listen.js';

const whole = ['--tenant', 'harbour', '--email', 'ada@harbour.example', '--password-stdin'];

describe('praxis listen', () => {
  it.each([
    ['without a tenant', whole.slice(2), '--tenant is missing'],
    ['with an empty e-mail', [...whole, '--email', ''], '--email is missing'],
    ['with an API that is no url', [...whole, '--api', 'harbour'], '--api must be a http(s) url'],
    ['with an API over ftp', [...whole, '--api', 'ftp://harbour.example'], '--api must be a http(s) url'],
    ['with a gateway that is no url', [...whole, '--gateway', ''], '--gateway must be a http(s) url'],
    ['with an unknown option', [...whole, '--loud'], /--loud/],
    ['with a password on the command line', [...whole, '--password', 'open sesame'], /--password/],
    ['with a word too many', [...whole, 'please'], /please/],
  ])('%s says so before it asks for anything', async (_, args, words) => {
    const asked = listenCommand.run(args);
    await expect(asked).rejects.toThrow(UsageError);
    await expect(asked).rejects.toThrow(words);
    await expect(asked).rejects.not.toThrow(/sesame/);
  });
});
