import { type Clock, type Instant, isAppError, monotonicMs } from '#infra/kernel';

export type CheckStatus = 'up' | 'degraded' | 'down';

export interface Check {
  readonly name: string;
  /** A critical check that fails makes the process unready; any other one only degraded. */
  readonly critical: boolean;
  /** Resolves when the thing works; 'degraded' when it works less well; throws when it does not. */
  readonly run: () => Promise<CheckStatus | undefined>;
}

export interface CheckReport {
  readonly status: CheckStatus;
  readonly latencyMs: number;
  /** Of the failure where it is one of ours: `database.unreachable`, `database.schema_outdated` … */
  readonly code?: string;
}

export interface HealthReport {
  /** 'down': send no requests here. 'degraded': serving, with something missing. */
  readonly status: CheckStatus;
  readonly draining: boolean;
  readonly checks: Readonly<Record<string, CheckReport>>;
}

export const checkDeadlineMs = 500;
export const cachedMs = 1_000;
const checksMax = 200;

/** Whether this process should get requests: its checks, its start, its drain. */
export class Readiness {
  readonly #checks = new Map<string, Check>();
  #cached: { readonly at: Instant; readonly checks: Promise<Readonly<Record<string, CheckReport>>> } | undefined;
  #draining = false;
  #started = false;

  constructor(private readonly clock: Clock) {}

  /** Names are unique; at most 200. */
  add(check: Check): void {
    if (this.#checks.has(check.name) || this.#checks.size >= checksMax)
      throw new RangeError(`health check ${check.name}: registered twice, or one too many`);
    this.#checks.set(check.name, check);
  }

  get draining(): boolean {
    return this.#draining;
  }

  get started(): boolean {
    return this.#started;
  }

  /** The process has done what it does once: from now on readiness decides. */
  markStarted(): void {
    this.#started = true;
  }

  /** Readiness fails from now on, before anything stops, so that balancers look elsewhere in time. */
  startDraining(): void {
    this.#draining = true;
  }

  /** Every check with 500 ms to answer; results serve for a second, so that probes cost the checked nothing. */
  async report(): Promise<HealthReport> {
    const now = this.clock.now();
    if (!this.#cached || now - this.#cached.at >= cachedMs) this.#cached = { at: now, checks: this.#runAll() };
    const checks = await this.#cached.checks;
    return { status: this.#statusOf(checks), draining: this.#draining, checks };
  }

  #statusOf(checks: Readonly<Record<string, CheckReport>>): CheckStatus {
    if (this.#draining || !this.#started) return 'down';
    const worst = Object.entries(checks).map(([name, { status }]) =>
      status === 'down' && !this.#checks.get(name)?.critical ? 'degraded' : status,
    );
    return worst.includes('down') ? 'down' : worst.includes('degraded') ? 'degraded' : 'up';
  }

  async #runAll(): Promise<Readonly<Record<string, CheckReport>>> {
    const reports = await Promise.all([...this.#checks.values()].map(async (c) => [c.name, await judge(c)] as const));
    return Object.fromEntries(reports);
  }
}

/** What a check says within 500 ms; what it throws, and silence, mean down. */
export async function runCheck(check: Check): Promise<Pick<CheckReport, 'status' | 'latencyMs'>> {
  const { status, latencyMs } = await judge(check);
  return { status, latencyMs };
}

async function judge(check: Check): Promise<CheckReport> {
  const startedAt = monotonicMs();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Verdict>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'down' }), checkDeadlineMs);
  });
  const asked = Promise.resolve()
    .then(check.run)
    .then(
      (status): Verdict => ({ status: status ?? 'up' }),
      (error: unknown): Verdict => ({ status: 'down', ...codeOf(error) }),
    );
  const { status, ...code } = await Promise.race([asked, late]);
  clearTimeout(timer);
  return { status, latencyMs: Math.round(monotonicMs() - startedAt), ...code };
}

type Verdict = Pick<CheckReport, 'status' | 'code'>;

/** The first cause that is one of ours says most. */
function codeOf(error: unknown): Pick<CheckReport, 'code'> {
  if (!isAppError(error)) return {};
  return isAppError(error.cause) ? codeOf(error.cause) : { code: error.code };
}
