import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import type { Options } from 'k6/options';
import { asStaff, bookingBody, scaled, target } from './target.js';

/** 50 bookings a second, each of a free start of its own and under an Idempotency-Key of its own. */
export const options: Options = {
  scenarios: {
    booking: {
      executor: 'constant-arrival-rate',
      rate: scaled(50),
      timeUnit: '1s',
      duration: '30s',
      preAllocatedVUs: 50,
      maxVUs: 200,
    },
  },
  thresholds: {
    http_req_failed: ['rate==0'],
    http_req_duration: ['p(95)<500'],
    checks: ['rate==1'],
    dropped_iterations: ['count==0'],
  },
};

/** Told apart from keys of other runs on the same data. */
export const setup = (): string => `k6-${Date.now().toString(36)}`;

export default function book(run: string): void {
  const n = exec.scenario.iterationInTest;
  const params = asStaff('book', { 'idempotency-key': `${run}-${n}` });
  const answer = http.post(`${target.url}/api/v1/appointments`, bookingBody(n), params);
  check(answer, { 'is booked': ({ status }) => status === 201 });
}
