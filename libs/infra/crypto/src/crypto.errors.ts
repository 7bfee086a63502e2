import { defineErrors } from '#infra/kernel';

/** No text here or in `internal` ever carries content, tokens or key bytes: only tables, purposes and key versions. */
export const fail = defineErrors({
  'crypto.envelope_invalid': { kind: 'internal', public: 'A stored record cannot be read.' },
  'crypto.key_destroyed': { kind: 'gone', public: 'The record has been destroyed.' },
  'crypto.key_unusable': { kind: 'internal', public: 'Stored records cannot be read at the moment.' },
  'crypto.too_large': { kind: 'too_large', public: 'The record is too large to be stored.' },
  'cursor.invalid': { kind: 'unparsable', public: 'The cursor is not valid for this list, or has expired.' },
});
