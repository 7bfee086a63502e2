import type { WriteContext } from '#infra/sharding';
import type { AppointmentId, Share } from './appointment.js';
import { fail } from './appointments.errors.js';
import { type Assignment, assign, MAX_ASSIGNMENTS, type Search } from './availability.js';
import type { Claim } from './claim.js';
import { decide, type Plan, withTaken } from './plan.js';

/** How often one visit that loses a race looks for other resources or lanes before it is refused. */
export const attemptsMax = 5;

/** A plan as one snapshot shows it, and the search that decides about one start in it. */
export interface View {
  readonly plan: Plan;
  readonly search: Search;
}

/** Takes these claims; answers the ones that somebody else holds. Runs under a savepoint. */
export type Take = (shares: readonly Share[]) => Promise<readonly Claim[]>;

export interface Placed {
  readonly plan: Plan;
  /** Undefined where the time is taken. */
  readonly shares: readonly Share[] | undefined;
}

/**
 * Finds and takes the resources of a visit that starts then. Who loses a race and may still find others looks again, by
 * then in a snapshot that shows the winner. Throws the first rule that the start breaks.
 */
export async function place(
  tx: WriteContext,
  look: () => Promise<View>,
  startMin: number,
  id: AppointmentId,
  take: Take,
): Promise<Placed> {
  for (let attempt = 0; ; attempt += 1) {
    const { plan, search } = await look();
    const wanted = choose(search, startMin, id, attempt);
    if (wanted === undefined) return { plan, shares: refuse(search, startMin) };
    let refused: readonly Claim[] = [];
    const shares = await tx.db.attempt(async () => {
      refused = await take(wanted);
      return refused.length === 0 ? wanted : undefined;
    });
    const hopeless = attempt + 1 === attemptsMax || assign(withTaken(search, refused), startMin, id, 1).length === 0;
    if (shares || hopeless) return { plan, shares };
  }
}

/** The best assignment at first; after a lost race any, so that those who lost it together spread out. */
function choose(search: Search, startMin: number, id: AppointmentId, attempt: number): readonly Share[] | undefined {
  const options = assign(search, startMin, id, attempt === 0 ? 1 : MAX_ASSIGNMENTS);
  return options[(attempt * randomPartOf(id)) % options.length]?.map(shareOf);
}

function refuse(search: Search, startMin: number): undefined {
  const decision = decide(search, startMin);
  if (decision === 'slot_taken') return undefined;
  if (decision === null) throw new Error('a start that can be had has no assignment');
  throw fail(`appointment.${decision}`);
}

/** The last 32 bits of a UUIDv7 are random. */
const randomPartOf = (id: AppointmentId): number => Number.parseInt(id.slice(-8), 16);

const shareOf = ({ segment, ...claim }: Assignment): Share => ({ ...claim, kind: segment.kind });
