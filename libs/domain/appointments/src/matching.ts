/** One way to fill one place of a combination. */
export interface Option {
  /** A resource fills at most one place of a combination. */
  readonly resource: string;
  /** What is held: a resource's lane. Later combinations prefer units that earlier ones did not hold. */
  readonly unit: string;
  /** The unit and the time: combinations with the same claims are the same combination. */
  readonly claim: string;
}

const resourcesOf = (options: readonly Option[]): number => new Set(options.map(({ resource }) => resource)).size;

/** Places with the fewest resources first, so that a place is left without one only among those with very few. */
const tightestFirst = (places: readonly (readonly Option[])[]): readonly number[] =>
  places.map((_, place) => place).sort((a, b) => resourcesOf(places[a] ?? []) - resourcesOf(places[b] ?? []));

const identity = (combination: readonly Option[]): string =>
  combination
    .map(({ claim }) => claim)
    .sort()
    .join(' ');

/** The first combination, depth first, that is not among `seen`; picks are indexed by place. */
function firstUnseen<O extends Option>(
  places: readonly (readonly O[])[],
  order: readonly number[],
  seen: ReadonlySet<string>,
  picks: O[] = [],
  depth = 0,
): readonly O[] | null {
  const place = order[depth];
  if (place === undefined) return seen.has(identity(picks)) ? null : [...picks];
  for (const option of places[place] ?? []) {
    if (order.slice(0, depth).some((earlier) => picks[earlier]?.resource === option.resource)) continue;
    picks[place] = option;
    const found = firstUnseen(places, order, seen, picks, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

/**
 * Up to `most` different combinations of one option per place, no resource twice. The first takes the best option of each
 * place (options come best first); each later one prefers what the earlier ones held least, so that one lost race does
 * not spoil them all. Costs little for up to 4 places that share resources.
 */
export function combinations<O extends Option>(
  places: readonly (readonly O[])[],
  most: number,
): readonly (readonly O[])[] {
  const order = tightestFirst(places);
  const held = new Map<string, number>();
  const timesHeld = ({ unit }: O): number => held.get(unit) ?? 0;
  const seen = new Set<string>();
  const found: (readonly O[])[] = [];
  while (found.length < most) {
    const leastHeldFirst = places.map((options) => [...options].sort((a, b) => timesHeld(a) - timesHeld(b)));
    const next = firstUnseen(leastHeldFirst, order, seen);
    if (next === null) break;
    found.push(next);
    seen.add(identity(next));
    for (const option of next) held.set(option.unit, timesHeld(option) + 1);
  }
  return found;
}
