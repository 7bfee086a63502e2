import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import type { Options } from 'k6/options';
import ws from 'k6/ws';
import { asStaff, bookingBody, scaled, target } from './target.js';

const sockets = 50;
const bookings = scaled(500);
const bookingsPerSecond = 20;
/** Sockets are open before the first booking, and for a while after the last. */
const bookAfterS = 10;
const openForMs = (bookAfterS + Math.ceil(bookings / bookingsPerSecond) + 15) * 1_000;

const heard = new Counter('facts_heard');
const missed = new Counter('facts_missed');
const refused = new Counter('sockets_refused');
/** From when the fact was written, just before its commit, by the clock of the api that wrote it. */
const delay = new Trend('fact_delay', true);

/** 50 sockets hear of 500 bookings each: none is lost. */
export const options: Options = {
  scenarios: {
    listen: {
      executor: 'per-vu-iterations',
      vus: sockets,
      iterations: 1,
      maxDuration: `${openForMs + 30_000}ms`,
      exec: 'listen',
    },
    book: {
      executor: 'constant-arrival-rate',
      rate: bookingsPerSecond,
      timeUnit: '1s',
      startTime: `${bookAfterS}s`,
      duration: `${Math.ceil(bookings / bookingsPerSecond)}s`,
      preAllocatedVUs: 20,
      exec: 'book',
    },
  },
  thresholds: {
    'http_req_failed{scenario:book}': ['rate==0'],
    facts_missed: ['count==0'],
    sockets_refused: ['count==0'],
    facts_heard: [`count>=${sockets * bookings}`],
    fact_delay: ['p(95)<100'],
    checks: ['rate==1'],
  },
};

export const setup = (): string => `k6-${Date.now().toString(36)}`;

export function book(run: string): void {
  const n = exec.scenario.iterationInTest;
  const params = asStaff('book', { 'idempotency-key': `${run}-${n}` });
  const answer = http.post(`${target.url}/api/v1/appointments`, bookingBody(n), params);
  check(answer, { 'is booked': ({ status }) => status === 201 });
}

/** Socket.IO's packets in its own words: 0 open, 2 ping, 3 pong, 40 connect, 42 event, 44 refused. */
export function listen(): void {
  const url = `${target.url.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`;
  let lastSeq: number | undefined;
  const told = ([event, word]: [string, { readonly seq: number; readonly at: string }]) => {
    if (event === 'resync') missed.add(1);
    if (event === 'fact') {
      heard.add(1);
      delay.add(Date.now() - Date.parse(word.at));
      if (lastSeq !== undefined && word.seq !== lastSeq + 1) missed.add(1);
    }
    if (event === 'fact' || event === 'ready') lastSeq = word.seq;
  };
  const answer = ws.connect(url, {}, (socket) => {
    socket.on('message', (packet) => {
      if (packet.startsWith('0')) socket.send(`40${JSON.stringify({ token: target.token })}`);
      else if (packet === '2') socket.send('3');
      else if (packet.startsWith('44')) refused.add(1);
      else if (packet.startsWith('42')) told(JSON.parse(packet.slice(2)));
    });
    socket.on('error', () => refused.add(1));
    socket.setTimeout(() => socket.close(), openForMs);
  });
  check(answer, { 'is a websocket': ({ status }) => status === 101 });
}
