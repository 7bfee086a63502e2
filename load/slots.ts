/** Where and when a bench books: every place is a free start at a clinic, visited once, in an order without a pattern. */
export interface SlotPlan {
  readonly firstMin: number;
  readonly stepMin: number;
  /** Starts of each side: even ones belong to one side, odd ones to the other. */
  readonly starts: number;
  readonly clinics: number;
  /** Visits that one clinic takes at one start. */
  readonly triples: number;
}

export interface Place {
  readonly startMin: number;
  readonly clinic: number;
  readonly triple: number;
}

export const placesOf = ({ starts, clinics, triples }: SlotPlan): number => starts * clinics * triples;

/** About the golden part of all places and without a common divisor: neighbours in the order lie far apart. */
export function strideOf(plan: SlotPlan): number {
  const places = placesOf(plan);
  let stride = Math.max(1, Math.floor(places * 0.618));
  while (divisor(stride, places) !== 1) stride += 1;
  return stride;
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

/** The i-th place of a side: 0 books at even starts, 1 at odd ones. The same formula as in the script for pgbench. */
export function placeAt(plan: SlotPlan, stride: number, side: 0 | 1, i: number): Place {
  const place = (i * stride) % placesOf(plan);
  const atOnce = plan.clinics * plan.triples;
  return {
    triple: place % plan.triples,
    clinic: Math.floor(place / plan.triples) % plan.clinics,
    startMin: plan.firstMin + plan.stepMin * (2 * Math.floor(place / atOnce) + side),
  };
}
