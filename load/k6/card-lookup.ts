import { check } from 'k6';
import http from 'k6/http';
import type { Options } from 'k6/options';
import { asStaff, scaled, target } from './target.js';

/** A front desk at work, 200 requests a second: members looked up by id number, cards verified by their QR code. */
export const options: Options = {
  scenarios: {
    lookup: { ...steady(100), exec: 'lookup' },
    verify: { ...steady(100), exec: 'verify' },
  },
  thresholds: {
    'http_req_failed{scenario:lookup}': ['rate==0'],
    'http_req_failed{scenario:verify}': ['rate==0'],
    'http_req_duration{scenario:lookup}': ['p(95)<100', 'avg<100'],
    'http_req_duration{scenario:verify}': ['p(95)<100'],
    checks: ['rate==1'],
    dropped_iterations: ['count==0'],
  },
};

function steady(perSecond: number) {
  return {
    executor: 'constant-arrival-rate',
    rate: scaled(perSecond),
    timeUnit: '1s',
    duration: '30s',
    preAllocatedVUs: 50,
    maxVUs: 200,
  } as const;
}

export function lookup(): void {
  const { url, idScheme, idNumber } = target;
  const answer = http.post(`${url}/api/v1/members/lookup`, JSON.stringify({ idScheme, idNumber }), asStaff('lookup'));
  check(answer, { 'the member is found': ({ status }) => status === 200 });
}

export function verify(): void {
  const params = { headers: { 'content-type': 'application/json' }, tags: { name: 'verify' } };
  const answer = http.post(`${target.url}/api/v1/cards/verify`, JSON.stringify({ scan: target.scan }), params);
  check(answer, { 'the card is valid': ({ status, body }) => status === 200 && /"result":"valid"/.test(String(body)) });
}
