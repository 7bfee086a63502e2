import { setTimeout as sleep } from 'node:timers/promises';
import { type Plan, plans } from '#infra/kernel';
import type { Answer } from '../http-client.js';
import { type Figures, type Outcome, rounded } from '../report.js';

/** How much of its plan a company asks for: well below 80 %, exactly all of it, or a tenth more. */
export type Appetite = 'calm' | 'full' | 'above';

export interface Company {
  readonly slug: string;
  readonly plan: Plan;
  readonly appetite: Appetite;
  /** Where its people sit. */
  readonly ip: string;
  /** What its plan allows in 15 minutes. */
  readonly limit: number;
  /** What it asks for, all in all. */
  readonly calls: number;
}

export interface CrowdPlan {
  readonly ofEachPlan: number;
  readonly limits: Readonly<Record<Plan, number>>;
  readonly above: Readonly<Record<Plan, number>>;
  readonly full: Readonly<Record<Plan, number>>;
  /** The most that a calm company asks for. */
  readonly calmMax: number;
}

const calmShare = 0.79;
const aboveShare = 1.1;
const servicesPath = '/api/v1/services';
/** Of so many requests, one is for a thing of the next company. */
const strangeEvery = 10;
const linesMax = 32;

/** Companies of all plans, mixed. */
export function crowdOf({ ofEachPlan, limits, above, full, calmMax }: CrowdPlan): readonly Company[] {
  return Array.from({ length: ofEachPlan * plans.length }, (_, n) => {
    const plan = plans[n % plans.length] ?? 'FREE';
    const place = Math.floor(n / plans.length);
    const limit = limits[plan];
    const isAbove = place < above[plan];
    const appetite = isAbove ? 'above' : place < above[plan] + full[plan] ? 'full' : 'calm';
    const calls = { above: Math.ceil(limit * aboveShare), full: limit, calm: Math.floor(limit * calmShare) }[appetite];
    return {
      slug: `company-${n}`,
      ip: `203.0.${113 + Math.floor(n / 250)}.${1 + (n % 250)}`,
      calls: appetite === 'calm' ? Math.min(calls, calmMax) : calls,
      ...{ plan, appetite, limit },
    };
  });
}

/** How a company asks, logged in. */
export type Ask = (company: Company, method: 'GET' | 'POST', path: string, body?: string) => Promise<Answer>;

export interface CompanyHeard {
  readonly company: Company;
  passed: number;
  refused: number;
  /** Neither an answer nor a refusal by the plan. */
  others: number;
  ownRows: number;
  foreignRows: number;
}

/** All at once, each evenly over the time; what each of them heard. */
export async function atWork(crowd: readonly Company[], ask: Ask, seconds: number): Promise<readonly CompanyHeard[]> {
  const heard = crowd.map((company) => ({ company, passed: 0, refused: 0, others: 0, ownRows: 0, foreignRows: 0 }));
  const own: string[] = [];
  for (const [n, each] of heard.entries()) own[n] = await offer(each, ask);
  const due = crowd
    .flatMap(({ calls }, n) => Array.from({ length: calls - 1 }, (_, k) => ({ n, k, at: (k + 0.5) / (calls - 1) })))
    .sort((a, b) => a.at - b.at);
  const startedAt = performance.now();
  let next = 0;
  const line = async () => {
    for (let turn = due[next++]; turn !== undefined; turn = due[next++]) {
      await sleep(Math.max(0, startedAt + turn.at * seconds * 1_000 - performance.now()));
      const each = heard[turn.n];
      if (each === undefined) throw new Error(`there is no company ${turn.n}`);
      const stranger = own[(turn.n + 1) % own.length] ?? '';
      await (turn.k % strangeEvery === 0 ? peek(each, ask, stranger) : look(each, ask, own[turn.n] ?? ''));
    }
  };
  await Promise.all(Array.from({ length: linesMax }, line));
  return heard;
}

/** The one service that the company has, known by its id. */
async function offer(heard: CompanyHeard, ask: Ask): Promise<string> {
  const segments = [{ kind: 'provider', offsetMin: 0, durationMin: 30 }];
  const body = JSON.stringify({ name: heard.company.slug, durationMin: 30, segments });
  const answer = await ask(heard.company, 'POST', servicesPath, body);
  if (answer.status !== 201)
    throw new Error(`${heard.company.slug} was answered with ${answer.status}: ${answer.body}`);
  heard.passed += 1;
  return (JSON.parse(answer.body) as { id: string }).id;
}

async function look(heard: CompanyHeard, ask: Ask, own: string): Promise<void> {
  const answer = await ask(heard.company, 'GET', servicesPath);
  if (!counted(heard, answer, 200)) return;
  const { data } = JSON.parse(answer.body) as { data: readonly { id: string }[] };
  for (const { id } of data)
    if (id === own) heard.ownRows += 1;
    else heard.foreignRows += 1;
}

/** At what another company has: there is no such thing. */
async function peek(heard: CompanyHeard, ask: Ask, id: string): Promise<void> {
  const answer = await ask(heard.company, 'GET', `${servicesPath}/${id}`);
  if (answer.status === 200) heard.foreignRows += 1;
  counted(heard, answer, 404);
}

/** True when it was answered as it should be. */
function counted(heard: CompanyHeard, { status, body }: Answer, expected: number): boolean {
  if (status === expected) heard.passed += 1;
  else if (status === 429 && body.includes('"violated-policies":["tenant-plan"]')) heard.refused += 1;
  else heard.others += 1;
  return status === expected;
}

/** `overshoot`: how many more than its plan a company may get, because processes grant a few before they tell. */
export function verdictOn(heard: readonly CompanyHeard[], overshoot: (limit: number) => number): Outcome {
  const of = (appetite: Appetite) => heard.filter(({ company }) => company.appetite === appetite);
  const sum = (some: readonly CompanyHeard[], what: 'passed' | 'refused' | 'others' | 'ownRows' | 'foreignRows') =>
    some.reduce((total, each) => total + each[what], 0);
  const isHeld = ({ company: { limit, calls }, passed, refused }: CompanyHeard) =>
    passed >= limit && passed <= limit + overshoot(limit) && passed + refused === calls;
  const figures = {
    companies: heard.length,
    calm: of('calm').length,
    full: of('full').length,
    above: of('above').length,
    answers: sum(heard, 'passed') + sum(heard, 'refused'),
    ownRows: sum(heard, 'ownRows'),
    foreignRows: sum(heard, 'foreignRows'),
    refusedCalm: sum(of('calm'), 'refused'),
    refusedFull: sum(of('full'), 'refused'),
    refusedAbove: sum(of('above'), 'refused'),
    aboveHeldToTheirPlan: of('above').filter(isHeld).length,
    otherAnswers: sum(heard, 'others'),
    sightless: heard.filter(({ ownRows }) => ownRows === 0).length,
  } satisfies Figures;
  const { above, aboveHeldToTheirPlan, ownRows, foreignRows, refusedCalm, refusedFull, otherAnswers } = figures;
  const isFair = refusedCalm === 0 && refusedFull === 0 && above > 0 && aboveHeldToTheirPlan === above;
  return {
    passed: isFair && foreignRows === 0 && ownRows > 0 && otherAnswers === 0 && figures.sightless === 0,
    figures,
  };
}

export const perSecond = (count: number, seconds: number): number => rounded(count / seconds, 0);
