import { parseConfig } from '#infra/config';
import { leaseOf, throttlingConfig } from '#infra/throttling';
import { HttpConnection } from '../http-client.js';
import { type Limited, type LimitedTenant, type Office, onLimitedStack } from '../limits/limited-stack.js';
import { besideNoise, noiseFigures, type Send } from '../limits/noise.js';
import { type Outcome, run, say } from '../report.js';

const apis = 2;
/** How often each asks; all of it stays below 80 % of its plan. */
const victims: readonly (LimitedTenant & { readonly everyMs: number })[] = [
  { slug: 'calm-free', plan: 'FREE', ip: '203.0.113.1', everyMs: 175 },
  { slug: 'calm-basic', plan: 'BASIC', ip: '203.0.113.2', everyMs: 50 },
  { slug: 'calm-pro', plan: 'PROFESSIONAL', ip: '203.0.113.3', everyMs: 25 },
  { slug: 'calm-enterprise', plan: 'ENTERPRISE', ip: '203.0.113.4', everyMs: 20 },
];
const noisy: LimitedTenant = { slug: 'noisy', plan: 'FREE', ip: '203.0.113.9' };
/** What a FREE tenant has in 15 minutes. */
const planLimit = parseConfig({ throttling: throttlingConfig }, {}).throttling.free;
const timesItsPlan = 10;
const calls = timesItsPlan * planLimit;
const rounds = 30;
const phaseMs = 1_000;
const warmUpMs = 5_000;
const noisyConnections = 8;
const aimed = { ratioP95: 1.2, ratioP99: 2 } as const;
const path = '/api/v1/services?limit=1';
/** Each tenant is one user behind one address here. */
const environment = {
  RATE_LIMIT_GENERAL: '1000000',
  RATE_LIMIT_AUTHENTICATED: '1000000',
  RATE_LIMIT_PREMIUM: '1000000',
};

async function drill(): Promise<Outcome> {
  say(
    `Drill noisy-neighbour: one tenant sends ${timesItsPlan} times what its plan allows while ${victims.length} others work.`,
  );
  say(
    `The noisy tenant's plan (${noisy.plan}) has ${planLimit} requests in 15 minutes; it sends ${calls} in ` +
      `${(rounds * phaseMs) / 1000} s, in ${rounds} bursts over two api processes. Between them it is quiet: that is the baseline.`,
  );
  return onLimitedStack({ apis, tenants: [...victims, noisy], environment }, async (own) => {
    const connections: HttpConnection[] = [];
    const sender = (office: Office, n: number): Send => {
      const connection = connectionTo(own, n);
      connections.push(connection);
      const status = () => connection.request('GET', path, office.headers).then((answer) => answer.status);
      return () => status().catch(() => 0);
    };
    const officeOf = (slug: string): Office => {
      const office = own.offices.find(({ tenant }) => tenant.slug === slug);
      if (office === undefined) throw new Error(`nobody is ${slug}`);
      return office;
    };
    const heard = await besideNoise({
      victims: victims.map(({ slug, everyMs }, n) => ({ everyMs, send: sender(officeOf(slug), n) })),
      noisy: Array.from({ length: noisyConnections }, (_, n) => sender(officeOf(noisy.slug), n)),
      ...{ calls, rounds, phaseMs, warmUpMs },
    });
    for (const connection of connections) connection.close();
    return verdict(noiseFigures(heard));
  });
}

const connectionTo = ({ stack }: Limited, n: number): HttpConnection =>
  new HttpConnection(stack.apis[n % stack.apis.length]?.url ?? '');

function verdict(figures: ReturnType<typeof noiseFigures>): Outcome {
  const { calmRefused, calmOtherFailures, noisyServed, noisyRefused, ratioP95, ratioP99 } = figures;
  const calmAreWell = calmRefused === 0 && calmOtherFailures === 0;
  const noisyIsHeld = noisyServed <= planLimit + apis * leaseOf(planLimit) && noisyServed + noisyRefused === calls;
  const isQuiet = ratioP95 < aimed.ratioP95 && ratioP99 < aimed.ratioP99;
  return { passed: calmAreWell && noisyIsHeld && isQuiet, figures: { noisyCalls: calls, ...figures } };
}

await run('noisy-neighbour', drill);
