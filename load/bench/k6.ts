import { join } from 'node:path';
import { projectRoot } from '#infra/testing';
import { ApiClient } from '../api-client.js';
import { makeClinic, midnightIn } from '../clinic.js';
import { findK6, k6Missing, runK6 } from '../k6-program.js';
import { CannotRun, type Figures, type Outcome, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';

const scenarios = ['smoke', 'card-lookup', 'booking', 'sockets'] as const;
type Scenario = (typeof scenarios)[number];

const stepMin = 15;
/** Every scenario books in days of its own. */
const daysApart = 60;
const idNumber = 'LOAD100200300';

async function bench(): Promise<Outcome> {
  const asked = askedFor(process.argv.slice(2));
  const program = findK6();
  if (program === undefined) throw new CannotRun(k6Missing);
  say(`Bench k6: the scenarios ${asked.join(', ')} of load/k6 through HAProxy, each against its own thresholds.`);
  const plan = { apis: 2, gateways: 2, workers: 1, proxy: true, servers: 2, shard: 'shard-2' };
  return onOwnStack({ ...plan, environment: { GATEWAY_SOCKETS_PER_USER: '1000' } }, (own) =>
    measure(own, program, asked),
  );
}

function askedFor(args: readonly string[]): readonly Scenario[] {
  const unknown = args.filter((arg) => !scenarios.some((name) => name === arg));
  if (unknown.length > 0) throw new CannotRun(`there is no scenario ${unknown.join(', ')}: ${scenarios.join(', ')}`);
  return args.length === 0 ? scenarios : scenarios.filter((name) => args.includes(name));
}

async function measure({ stack, credentials }: Run, program: string, asked: readonly Scenario[]): Promise<Outcome> {
  const api = await ApiClient.login(stack.url, credentials);
  const variables = { BASE_URL: stack.url, ...(await prepared(api)) };
  api.close();
  let figures: Figures = {};
  let passed = true;
  for (const name of asked) {
    const days = 1 + daysApart * scenarios.indexOf(name);
    const firstStartMs = String(midnightIn(days) * 60_000);
    const script = join(projectRoot(), 'dist/load/k6', `${name}.js`);
    const result = await runK6(program, script, { ...variables, FIRST_START_MS: firstStartMs });
    say(`  ${name}: ${result.passed ? 'every threshold held' : 'a threshold was crossed'}\n${result.output}`);
    passed &&= result.passed;
    const { requests, p95Ms } = result;
    figures = {
      ...figures,
      [`${name}Requests`]: requests,
      [`${name}P95Ms`]: rounded(p95Ms),
      [`${name}Held`]: result.passed,
    };
  }
  return { passed, figures };
}

/** A clinic, and a member with a card, as the scripts name them. */
async function prepared(api: ApiClient): Promise<Readonly<Record<string, string>>> {
  const clinic = await makeClinic(api, { name: 'k6', triples: 2, stepMin });
  const membership = { from: '2026-01-01', tz: 'Etc/UTC' };
  const person = { name: { given: 'Load', family: 'Member' }, idScheme: 'generic', idNumber, membership };
  const { id } = await api.call<{ id: string }>('POST', '/members', person);
  await api.call('POST', `/members/${id}/cards`, { primary: true });
  const { qr } = await api.call<{ qr: { payload: string } }>('POST', `/optimized-cards/generate-data/${id}`);
  return {
    TOKEN: api.headers.authorization?.replace('Bearer ', '') ?? '',
    ID_SCHEME: 'generic',
    ID_NUMBER: idNumber,
    SCAN: qr.payload,
    LOCATION_ID: clinic.locationId,
    SERVICE_ID: clinic.serviceId,
    STEP_MIN: String(stepMin),
  };
}

await run('k6', bench);
