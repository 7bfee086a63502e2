import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { ProcessHealth } from './process-health.js';
import type { Readiness } from './readiness.js';

export const monitorMs = 5_000;

/** Looks at everything every 5 s, so that metrics of it are fresh although nobody asks for its health. */
export class HealthMonitor implements OnApplicationBootstrap, BeforeApplicationShutdown {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly readiness: Readiness,
    private readonly itself: ProcessHealth,
  ) {}

  onApplicationBootstrap(): void {
    this.itself.start();
    this.#timer = setInterval(() => void this.readiness.report(), monitorMs);
    this.#timer.unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.#timer);
    this.itself.stop();
  }
}
