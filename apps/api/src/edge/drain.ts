import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type DrainPlan, drain as drainInSteps, HttpDoor } from '#infra/processes';

export interface Drain extends DrainPlan {
  /** Makes readiness fail and answers say `Connection: close`. */
  readonly announce: () => void;
}

/** Requests are served until the door closes, and the ones inside are served to their end; then pools end. */
export function drain(app: NestFastifyApplication, { announce, ...plan }: Drain): Promise<boolean> {
  const door = new HttpDoor(app.getHttpServer());
  return drainInSteps(
    {
      announce,
      leave: () => void door.leave(),
      finish: () => door.empty(),
      cut: () => door.cut(),
      end: () => app.close(),
    },
    plan,
  );
}
