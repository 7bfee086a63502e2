import { AppError } from '#infra/kernel';
import { throughFailover } from './failover.js';
import { fail } from './sharding.errors.js';

const lost = () => fail('database.lost');
const readOnly = () => fail('database.read_only');
const inDoubt = () => fail('database.in_doubt');
/** As the tenants of a shard hear it. */
const ofShard = (cause: unknown) => fail('shard.unavailable', { cause });
const unsent = () => ofShard(new AppError('unavailable', 'database.unreachable', ''));
const timeout = () => fail('database.timeout');
const refused = () => fail('tenant.slug_taken');

/** Runs attempts that fail in turn; the ones after answer. */
async function outcomeOf(failures: readonly unknown[], { keyed = false, leftMs = 60_000 } = {}) {
  const left = [...failures];
  let attempts = 0;
  const attempt = async () => {
    attempts += 1;
    if (left.length > 0) throw left.shift();
    return 'answered';
  };
  const told = await throughFailover(attempt, { leftMs, keyed }).catch((error: { code?: string }) => error.code);
  return { told, attempts };
}

describe('a transaction whose server went away', () => {
  it('runs again when its connection was lost before COMMIT, once: it may be what the server dies of', async () => {
    expect(await outcomeOf([lost()])).toEqual({ told: 'answered', attempts: 2 });
    expect(await outcomeOf([ofShard(lost())])).toEqual({ told: 'answered', attempts: 2 });
    expect(await outcomeOf([lost(), lost()])).toEqual({ told: 'database.lost', attempts: 2 });
  });

  it('waits for a server to take it again, which one that found none in the first place does not', async () => {
    expect(await outcomeOf([ofShard(lost()), unsent(), unsent()])).toEqual({ told: 'answered', attempts: 4 });
    expect(await outcomeOf([unsent()])).toEqual({ told: 'shard.unavailable', attempts: 1 });
  });

  it('runs again when it had reached a server that only reads, until it reaches one that writes', async () => {
    expect(await outcomeOf([readOnly(), readOnly(), readOnly()])).toEqual({ told: 'answered', attempts: 4 });
  });

  it('does not outlast the time that its caller has', async () => {
    const forEver = Array.from({ length: 100 }, readOnly);
    expect(await outcomeOf(forEver, { leftMs: 500 })).toMatchObject({ told: 'database.read_only' });
    expect(await outcomeOf([lost()], { leftMs: 10 })).toEqual({ told: 'database.lost', attempts: 1 });
  });

  it('is not repeated for its own failures', async () => {
    expect(await outcomeOf([refused()])).toEqual({ told: 'tenant.slug_taken', attempts: 1 });
    expect(await outcomeOf([timeout()])).toEqual({ told: 'database.timeout', attempts: 1 });
    expect(await outcomeOf([fail('shard.unavailable')])).toEqual({ told: 'shard.unavailable', attempts: 1 });
    expect(await outcomeOf([new Error('a mistake of ours')])).toEqual({ told: undefined, attempts: 1 });
  });
});

describe('a commit that was not answered', () => {
  it('is told as it is, and repeated only where an Idempotency-Key tells what became of it', async () => {
    expect(await outcomeOf([inDoubt()])).toEqual({ told: 'database.in_doubt', attempts: 1 });
    expect(await outcomeOf([inDoubt()], { keyed: true })).toEqual({ told: 'answered', attempts: 2 });
  });

  it('stays in doubt whatever keeps its repeat from asking', async () => {
    for (const error of [timeout(), lost(), ofShard(lost())])
      expect(await outcomeOf([inDoubt(), error], { keyed: true })).toEqual({ told: 'database.in_doubt', attempts: 2 });
    const never = [inDoubt(), ...Array.from({ length: 100 }, unsent)];
    expect(await outcomeOf(never, { keyed: true, leftMs: 200 })).toMatchObject({ told: 'database.in_doubt' });
  });

  it('is in doubt no longer when its repeat was answered, with a refusal too', async () => {
    expect(await outcomeOf([inDoubt(), refused()], { keyed: true })).toEqual({
      told: 'tenant.slug_taken',
      attempts: 2,
    });
  });
});
