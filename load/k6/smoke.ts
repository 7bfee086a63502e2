import { check } from 'k6';
import http from 'k6/http';
import type { Options } from 'k6/options';
import { scaled, target } from './target.js';

/** 100 clients, 1,000 requests each, to the page that says whether the product can be used: no failure at all. */
export const options: Options = {
  scenarios: { smoke: { executor: 'per-vu-iterations', vus: 100, iterations: scaled(1_000), maxDuration: '10m' } },
  thresholds: { http_req_failed: ['rate==0'], checks: ['rate==1'], http_req_duration: ['p(95)<100'] },
};

export default function smoke(): void {
  const answer = http.get(`${target.url}/health/ready`, { tags: { name: 'health.ready' } });
  check(answer, { 'is ready': ({ status }) => status === 200 });
}
