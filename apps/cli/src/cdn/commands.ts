import { parseArgs } from 'node:util';
import { parseConfig } from '#infra/config';
import { cdnConfig } from '../cli.config.js';
import { type Command, UsageError } from '../command.js';
import { CdnRefusal, callCloudflare } from './cloudflare.js';
import { applyPlan, type CdnCall, purgePlan, removedByVendor } from './plan.js';

const filesMax = 3_000;
const unnamedZone = '{CLOUDFLARE_ZONE_ID}';

export const cdnApplyCommand: Command = {
  words: 'cdn apply',
  usage: 'cdn apply [--dry-run]',
  summary: 'tell Cloudflare how to treat what the API marks as cacheable',
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: { 'dry-run': { type: 'boolean', default: false } } });
    for (const [setting, why] of Object.entries(removedByVendor)) console.log(`${setting}: removed by vendor: ${why}`);
    await carryOut((zoneId) => applyPlan(zoneId), values['dry-run']);
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
    await carryOut((zoneId) => purgePlan(zoneId, values.everything ? 'everything' : positionals), values['dry-run']);
  },
};

/** One line for each call. A call that is refused does not stop the others; the command fails after them. */
async function carryOut(plan: (zoneId: string) => readonly CdnCall[], dryRun: boolean): Promise<void> {
  const { cdn } = parseConfig({ cdn: cdnConfig });
  if (dryRun) {
    for (const call of plan(cdn.zoneId ?? unnamedZone)) console.log(`would ${lineOf(call)}`);
    return;
  }
  const { zoneId, token, apiUrl } = cdn;
  if (zoneId === undefined) throw new Error('CLOUDFLARE_ZONE_ID is not set: see --dry-run for what would be done');
  if (token === undefined) throw new Error('CLOUDFLARE_API_TOKEN is not set: see --dry-run for what would be done');
  const refused: string[] = [];
  for (const call of plan(zoneId)) {
    const outcome = await callCloudflare({ apiUrl, token }, call).then(
      () => 'done',
      (error: unknown) => {
        if (!(error instanceof CdnRefusal)) throw error;
        refused.push(call.path);
        return `refused, ${error.message}`;
      },
    );
    console.log(`${lineOf(call)}: ${outcome}`);
  }
  if (refused.length > 0) throw new Error(`Cloudflare refused ${refused.length} of these`);
}

const lineOf = ({ method, path, body }: CdnCall): string => `${method} ${path} ${JSON.stringify(body)}`;
