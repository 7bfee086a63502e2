import { parseArgs } from 'node:util';
import { appointmentQueries } from '#domain/appointments';
import { memberQueries } from '#domain/members';
import { patientQueries } from '#domain/patients';
import { reconciliationQueries } from '#domain/reconciliation';
import { identityQueries } from '#infra/identity';
import { type HotQuery, plansOf, type QueryPlan, Sharding } from '#infra/sharding';
import { type Command, UsageError } from './command.js';
import { operatorContext, withProduct } from './product.js';

const queries: readonly HotQuery[] = [
  ...appointmentQueries,
  ...patientQueries,
  ...memberQueries,
  ...reconciliationQueries,
  ...identityQueries,
];

/** Plans as the application's role has them within a tenant: with its row-level security, and `$1` instead of values. */
export const explainCommand: Command = {
  words: 'explain',
  usage: 'explain [QUERY --tenant TENANT [--analyze] | --fingerprint F --server shard-1]',
  summary: 'how PostgreSQL runs one of the product’s own queries; without one, their names; --analyze runs it too',
  async run(args) {
    const asked = read(args);
    if (asked.kind === 'names')
      for (const { name, lists } of queries) console.log([name, lists ?? ''].join('  ').trim());
    else
      await withProduct(async (product) => {
        const sharding = product.get(Sharding);
        if (asked.kind === 'fingerprint') print([await sharding.planOfStatement(asked.server, asked.fingerprint)]);
        else {
          const tenant = await sharding.tenants.bySlug(asked.tenant);
          const ctx = operatorContext(tenant, 'explain');
          print(await plansOf(sharding, ctx, asked.query, { analyze: asked.analyze }));
        }
      });
  },
};

const print = (plans: readonly QueryPlan[]): void => {
  for (const plan of plans) console.log(`${plan.join('\n')}\n`);
};

type Asked =
  | { readonly kind: 'names' }
  | { readonly kind: 'query'; readonly query: HotQuery; readonly tenant: string; readonly analyze: boolean }
  | { readonly kind: 'fingerprint'; readonly fingerprint: string; readonly server: string };

function read(args: readonly string[]): Asked {
  const { values, positionals } = parse(args);
  const { tenant, analyze = false, fingerprint, server } = values;
  if (fingerprint !== undefined) {
    if (server === undefined || positionals.length > 0 || tenant !== undefined)
      throw new UsageError('--fingerprint goes with --server alone');
    return { kind: 'fingerprint', fingerprint, server };
  }
  if (positionals.length === 0 && Object.keys(values).length === 0) return { kind: 'names' };
  const query = queries.find(({ name }) => name === positionals[0]);
  if (query === undefined || positionals.length !== 1)
    throw new UsageError('one query by its name: `praxis explain` lists them');
  if (tenant === undefined) throw new UsageError('--tenant is missing: a plan is one tenant’s');
  return { kind: 'query', query, tenant, analyze };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { tenant: text, analyze: { type: 'boolean' }, fingerprint: text, server: text },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'options not understood');
  }
}
