import { types } from 'node:util';
import { UsageError } from './command.js';

/** How `praxis` is told whom to log in as, and where. */
export const loginOptions = {
  tenant: { type: 'string' },
  email: { type: 'string' },
  api: { type: 'string' },
  'password-stdin': { type: 'boolean' },
} as const;

export const loginUsage = '--tenant S --email E [--api http://…] [--password-stdin]';

type Given = { readonly [Option in keyof typeof loginOptions]?: string | boolean | undefined };

export function loginOf(values: Given, usualApi: string) {
  const required = (option: 'tenant' | 'email'): string => {
    const value = values[option];
    if (typeof value !== 'string' || value === '') throw new UsageError(`--${option} is missing`);
    return value;
  };
  return {
    tenant: required('tenant'),
    email: required('email'),
    api: originOf('api', typeof values.api === 'string' ? values.api : usualApi),
    fromStdin: values['password-stdin'] === true,
  };
}

export function originOf(option: string, given: string): string {
  const parsed = URL.parse(given);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw new UsageError(`--${option} must be a http(s) url`);
  return parsed.origin;
}

/** Options that are not understood are a mistake of the person at the keyboard. */
export function understood<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(types.isNativeError(error) ? error.message : 'options not understood');
  }
}
