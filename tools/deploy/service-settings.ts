import { type Config, parseConfig, type Slice, type Variables } from '#infra/config';
import { type Environment, readCompose } from './compose.js';
import { withSecretsIn } from './secrets-folder.js';

export type Slices = Readonly<Record<string, Slice<Variables>>>;

/** What these slices make of the environment that a service gets, with the secrets in a folder of this machine. */
export function settingsOf<S extends Slices>(
  slices: S,
  service: string,
  environment: Environment,
  secrets: string,
): Config<S> {
  const given = readCompose(environment).services[service]?.environment ?? {};
  return parseConfig(slices, withSecretsIn(secrets, given));
}
