import type { Api, Call, Side } from './world.js';

type Sample = Omit<Call, 'method' | 'path'>;
type MakeSample = (api: Api, side: Side) => Sample;

const range = { from: '2027-03-01', to: '2027-03-31' };

/** Routes that count and add up. */
export const analyticsSamples: Readonly<Record<string, MakeSample>> = {
  AnalyticsController_appointments: (_, { owner, locationId }) => ({
    token: owner.token,
    query: { ...range, locationId },
  }),
  AnalyticsController_takings: (_, { owner, sourceIds }) => ({
    token: owner.token,
    query: { ...range, sourceId: sourceIds.left },
  }),
};
