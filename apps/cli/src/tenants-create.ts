import { randomBytes } from 'node:crypto';
import { text as readAll } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { Users } from '#infra/identity';
import { type Plan, plans } from '#infra/kernel';
import { Sharding } from '#infra/sharding';
import { type Command, UsageError } from './command.js';
import { operatorContext, withProduct } from './product.js';

const usage =
  'tenants create --slug S --name N --plan P --owner-email E [--owner-name N] [--shard shard-1] [--region R] [--password-stdin]';
const generatedBytes = 18;

/** Prints one line of JSON: the tenant and its owner, with the password where it was generated here. */
export const tenantsCreateCommand: Command = {
  words: 'tenants create',
  usage,
  summary: 'a new tenant with its owner; the password is read from stdin or generated and shown once',
  async run(args) {
    const { fromStdin, owner, ...wanted } = read(args);
    const given = fromStdin ? (await readAll(process.stdin)).trim() : undefined;
    const password = given ?? randomBytes(generatedBytes).toString('base64url');
    await withProduct(async (product) => {
      const tenant = await product.get(Sharding).tenants.create(wanted);
      const user = await product
        .get(Users)
        .createOwner(operatorContext(tenant, 'tenants create'), { ...owner, password });
      const { id, slug, shardId: shard, plan } = tenant;
      const shown = given === undefined ? { password } : {};
      console.log(JSON.stringify({ tenantId: id, slug, plan, shard, ownerId: user.id, ...shown }));
    });
  },
};

function read(args: readonly string[]) {
  const { values } = parse(args);
  const plan = plans.find((known) => known === values.plan);
  if (plan === undefined) throw new UsageError(`--plan must be one of ${plans.join(', ')}`);
  const required = (option: 'slug' | 'name' | 'owner-email'): string => {
    const value = values[option];
    if (value === undefined || value === '') throw new UsageError(`--${option} is missing`);
    return value;
  };
  const email = required('owner-email');
  const slug = required('slug');
  if (!/^[a-z0-9][a-z0-9-]{1,62}$/.test(slug))
    throw new UsageError('--slug must be 2 to 63 of a-z, 0-9 and -, not starting with -');
  const owner = { email, displayName: values['owner-name'] ?? email };
  return {
    slug,
    name: required('name'),
    plan: plan satisfies Plan,
    owner,
    ...(values.shard === undefined ? {} : { shardId: values.shard }),
    ...(values.region === undefined ? {} : { region: values.region }),
    fromStdin: values['password-stdin'] === true,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        slug: text,
        name: text,
        plan: text,
        shard: text,
        region: text,
        'owner-email': text,
        'owner-name': text,
        'password-stdin': { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'options not understood');
  }
}
