import type { Api, Call, Side } from './world.js';

type Sample = Omit<Call, 'method' | 'path'>;
type MakeSample = (api: Api, side: Side) => Promise<Sample> | Sample;

const path = '/api/v1/settings/catalogue';

/** A call that opens the catalogue, or closes it, whatever it was. */
async function publishing(api: Api, { owner: { token } }: Side, open: boolean): Promise<Sample> {
  const { version } = (await api.must({ method: 'GET', path, token })).json;
  return { token, headers: { 'if-match': `"v${version}"` }, body: { open } };
}

async function opened(api: Api, side: Side): Promise<Sample> {
  await api.must({ method: 'PUT', path, ...(await publishing(api, side, true)) });
  return { params: { slug: side.slug } };
}

/** Routes of what a clinic shows to everybody. */
export const catalogueSamples: Readonly<Record<string, MakeSample>> = {
  CataloguesController_services: opened,
  CataloguesController_locations: opened,
  PublicationController_get: (_, side) => ({ token: side.owner.token }),
  PublicationController_change: (api, side) => publishing(api, side, true),
};
