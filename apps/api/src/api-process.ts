import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Readiness } from '#infra/health';
import type { Departure, Host, Service } from '#infra/processes';
import { Metrics } from '#infra/telemetry';
import { createApp } from './app.js';
import { drain } from './edge/drain.js';
import type { Settings } from './settings.js';

/** One API process that takes requests. */
export class ApiProcess implements Service {
  readonly readiness: Readiness;
  readonly metrics: Metrics;

  private constructor(
    private readonly app: NestFastifyApplication,
    private readonly host: Host,
  ) {
    this.readiness = app.get(Readiness);
    this.metrics = app.get(Metrics);
  }

  static async start(settings: Settings, host: Host): Promise<ApiProcess> {
    const app = await createApp(settings, { log: host.log });
    const api = new ApiProcess(app, host);
    app.getHttpServer().on('request', host.countRequest);
    await app.listen(settings.api.port, settings.api.host);
    api.readiness.markStarted();
    host.log.info('app.listening', { host: settings.api.host, port: api.port });
    return api;
  }

  get port(): number {
    return (this.app.getHttpServer().address() as { readonly port: number }).port;
  }

  drain(departure: Departure): Promise<boolean> {
    const announce = () => this.readiness.startDraining();
    return drain(this.app, { ...departure, log: this.host.log, announce });
  }
}
