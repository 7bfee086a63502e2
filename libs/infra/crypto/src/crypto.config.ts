import { secret, slice, type Values } from '#infra/config';
import { rootKeyMistake } from './root-key.js';

export const cryptoConfig = slice(
  'Encryption',
  {
    rootKey: secret('ROOT_KEY', {
      description: 'Root of every key: 32 random bytes in base64, as `openssl rand -base64 32` prints them',
    }),
  },
  ({ rootKey }) => {
    const mistake = rootKeyMistake(rootKey);
    return mistake === null ? [] : [`ROOT_KEY ${mistake}`];
  },
);

export type CryptoConfig = Values<typeof cryptoConfig.variables>;
