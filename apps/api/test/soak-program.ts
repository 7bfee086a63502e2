import type { AddressInfo } from 'node:net';
import { Cache } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { Readiness } from '#infra/health';
import { newId, type TenantContext, type TenantId } from '#infra/kernel';
import { createApp } from '../src/app.js';
import { apiSlices } from '../src/settings.js';

/** One api that reads so many different keys through its cache when it is told to, and says where it listens. */
const app = await createApp(parseConfig(apiSlices));
await app.listen(0, '127.0.0.1');
app.get(Readiness).markStarted();
const ctx: TenantContext = {
  requestId: newId(),
  actor: { kind: 'system', name: 'soak' },
  tenant: { id: newId<TenantId>(), plan: 'ENTERPRISE' },
  deadline: Number.MAX_SAFE_INTEGER,
};
const atOnce = 16;
const text = 'what a screen shows of one thing';

async function read(keys: number): Promise<void> {
  const cache = app.get(Cache);
  let next = 0;
  const line = async () => {
    for (let key = next++; key < keys; key = next++)
      await cache.getOrSet(ctx, 'general', `thing:${key}`, async () => ({ key, text }));
  };
  await Promise.all(Array.from({ length: atOnce }, line));
}
process.on('message', (keys: number) => void read(keys).then(() => process.send?.('read')));
process.send?.((app.getHttpServer().address() as AddressInfo).port);
