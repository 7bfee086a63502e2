import { newId } from '#infra/kernel';
import { scanOf } from './scan.js';
import { type Api, type Call, newMember, type Side } from './world.js';

type Sample = Omit<Call, 'method' | 'path'>;
type MakeSample = (api: Api, side: Side) => Promise<Sample> | Sample;

const ifMatch = (version: number) => ({ 'if-match': `"v${version}"` });
const idempotencyKey = () => ({ 'idempotency-key': newId() });
const ofMember = (side: Side) => ({ memberId: side.memberId });
const ofCard = (side: Side) => ({ cardId: side.cardId });

async function freshMember(api: Api, { owner: { token } }: Side) {
  const body = newMember();
  const { json } = await api.must({ method: 'POST', path: '/api/v1/members', token, body });
  return { token, params: { memberId: String(json.id) }, idNumber: body.idNumber };
}

async function freshCard(api: Api, side: Side) {
  const { token, params } = await freshMember(api, side);
  const { json } = await api.must({
    method: 'POST',
    path: '/api/v1/members/{memberId}/cards',
    token,
    params,
    body: {},
  });
  return { token, params: { cardId: String(json.id) } };
}

const changed = async (api: Api, side: Side): Promise<Sample> => {
  const { token, params } = await freshMember(api, side);
  return { token, params, headers: ifMatch(1) };
};

/** Samples of the routes about members and their cards. */
export const memberSamples: Readonly<Record<string, MakeSample>> = {
  MembersController_list: (_, side) => ({ token: side.owner.token }),
  MembersController_enrol: (_, side) => ({ token: side.owner.token, headers: idempotencyKey(), body: newMember() }),
  MembersController_lookup: async (api, side) => {
    const { token, idNumber } = await freshMember(api, side);
    return { token, body: { idScheme: 'generic', idNumber } };
  },
  MembersController_get: (_, side) => ({ token: side.owner.token, params: ofMember(side) }),
  MembersController_suspend: changed,
  MembersController_reinstate: async (api, side) => {
    const sample = await changed(api, side);
    await api.must({ method: 'POST', path: '/api/v1/members/{memberId}/suspend', ...sample });
    return { ...sample, headers: ifMatch(2) };
  },
  MembersController_resign: changed,
  MembersController_addMembership: async (api, side) => {
    const { token, params } = await freshMember(api, side);
    return { token, params, body: { from: '2019-01-01', until: '2020-01-01', tz: 'Africa/Johannesburg' } };
  },
  MembersController_cardsOf: (_, side) => ({ token: side.owner.token, params: ofMember(side) }),
  MembersController_issueCard: async (api, side) => {
    const { token, params } = await freshMember(api, side);
    return { token, params, headers: idempotencyKey(), body: {} };
  },
  OptimizedCardsController_lookup: async (api, side) => {
    const { token, idNumber } = await freshMember(api, side);
    return { token, params: { idNumber }, query: { idScheme: 'generic' } };
  },
  OptimizedCardsController_generate: (_, side) => ({ token: side.owner.token, params: ofMember(side) }),
  OptimizedCardsController_cacheStats: (_, side) => ({ token: side.owner.token }),

  CardsController_verify: async (api, side) => ({
    body: { scan: await scanOf(api, side.owner.token, side.cardId), nonce: 'n-1' },
  }),
  CardsController_inspect: async (api, side) => ({
    token: side.owner.token,
    body: { scan: await scanOf(api, side.owner.token, side.cardId) },
  }),
  CardsController_get: (_, side) => ({ token: side.owner.token, params: ofCard(side) }),
  CardsController_history: (_, side) => ({ token: side.owner.token, params: ofCard(side) }),
  CardsController_svg: (_, side) => ({ token: side.owner.token, params: ofCard(side) }),
  CardsController_png: (_, side) => ({ token: side.owner.token, params: ofCard(side) }),
  CardsController_revoke: async (api, side) => ({
    ...(await freshCard(api, side)),
    headers: ifMatch(1),
    body: { reason: 'lost' },
  }),
};
