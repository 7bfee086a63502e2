import { type DynamicModule, Module } from '@nestjs/common';
import { type Clock, systemClock } from '#infra/kernel';
import { Readiness } from './readiness.js';

@Module({})
export class HealthModule {
  /** Global: one Readiness for the process. */
  static forRoot(clock: Clock = systemClock): DynamicModule {
    return {
      module: HealthModule,
      global: true,
      providers: [{ provide: Readiness, useValue: new Readiness(clock) }],
      exports: [Readiness],
    };
  }
}
