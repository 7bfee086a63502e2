import { parseArgs } from 'node:util';
import { z } from 'zod';
import { parseConfig } from '#infra/config';
import { cdnConfig } from '../cli.config.js';
import { type Command, UsageError } from '../command.js';
import { CdnRefusal, type Cloudflare, callCloudflare } from './cloudflare.js';
import {
  applyPlan,
  type CacheRules,
  type CdnCall,
  cacheRulesOf,
  catalogueRule,
  purgePlan,
  removedByVendor,
  rulePlan,
} from './plan.js';

const filesMax = 3_000;
const unnamedZone = '{CLOUDFLARE_ZONE_ID}';
const notFound = 404;

export const cdnApplyCommand: Command = {
  words: 'cdn apply',
  usage: 'cdn apply [--dry-run]',
  summary: 'tell Cloudflare how to treat what the API marks as cacheable',
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: { 'dry-run': { type: 'boolean', default: false } } });
    for (const [setting, why] of Object.entries(removedByVendor)) console.log(`${setting}: removed by vendor: ${why}`);
    await carryOut((zoneId) => [...applyPlan(zoneId).map(stepOf), ruleStep(zoneId)], values['dry-run']);
  },
};

export const cdnPurgeCommand: Command = {
  words: 'cdn purge',
  usage: 'cdn purge (--everything | <address> …) [--dry-run]',
  summary: 'make Cloudflare forget files, named by their whole address, or all of them',
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'dry-run': { type: 'boolean', default: false }, everything: { type: 'boolean', default: false } },
    });
    if (values.everything === positionals.length > 0) throw new UsageError('name addresses, or say --everything');
    if (positionals.length > filesMax) throw new UsageError(`at most ${filesMax} addresses at a time`);
    const wrong = positionals.find((address) => !/^https?:$/.test(URL.parse(address)?.protocol ?? ''));
    if (wrong !== undefined)
      throw new UsageError(`${wrong} is not a whole address such as https://clinic.example/docs`);
    const what = values.everything ? 'everything' : positionals;
    await carryOut((zoneId) => purgePlan(zoneId, what).map(stepOf), values['dry-run']);
  },
};

/** One thing to do at Cloudflare, and the line that says so. */
interface Step {
  readonly line: string;
  carryOut(cloudflare: Cloudflare): Promise<unknown>;
}

const stepOf = (call: CdnCall): Step => ({
  line: `${call.method} ${call.path} ${JSON.stringify(call.body)}`,
  carryOut: (cloudflare) => callCloudflare(cloudflare, call),
});

/** Reads what rules there are first: those of others stay as they are. */
const ruleStep = (zoneId: string): Step => ({
  line: `keep rule ${catalogueRule.ref} in zones/${zoneId}/rulesets ${JSON.stringify(catalogueRule)}`,
  carryOut: async (cloudflare) => callCloudflare(cloudflare, rulePlan(zoneId, await findRules(cloudflare, zoneId))),
});

const rulesShape = z.object({
  id: z.string(),
  rules: z.array(z.object({ id: z.string(), ref: z.string().optional() })).default([]),
});

async function findRules(cloudflare: Cloudflare, zoneId: string): Promise<CacheRules | null> {
  try {
    return rulesShape.parse(await callCloudflare(cloudflare, cacheRulesOf(zoneId)));
  } catch (error) {
    if (error instanceof CdnRefusal && error.status === notFound) return null;
    throw error;
  }
}

/** One line for each step. One that is refused does not stop the others; the command fails after them. */
async function carryOut(plan: (zoneId: string) => readonly Step[], dryRun: boolean): Promise<void> {
  const { cdn } = parseConfig({ cdn: cdnConfig });
  if (dryRun) {
    for (const { line } of plan(cdn.zoneId ?? unnamedZone)) console.log(`would ${line}`);
    return;
  }
  const { zoneId, token, apiUrl } = cdn;
  if (zoneId === undefined) throw new Error('CLOUDFLARE_ZONE_ID is not set: see --dry-run for what would be done');
  if (token === undefined) throw new Error('CLOUDFLARE_API_TOKEN is not set: see --dry-run for what would be done');
  let refused = 0;
  for (const step of plan(zoneId)) {
    const outcome = await step.carryOut({ apiUrl, token }).then(
      () => 'done',
      (error: unknown) => {
        if (!(error instanceof CdnRefusal)) throw error;
        refused += 1;
        return `refused, ${error.message}`;
      },
    );
    console.log(`${step.line}: ${outcome}`);
  }
  if (refused > 0) throw new Error(`Cloudflare refused ${refused} of these`);
}
