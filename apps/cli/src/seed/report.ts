import type { INestApplicationContext } from '@nestjs/common';
import { AvailabilityService, type SeededClinic, type ServiceId } from '#domain/appointments';
import { CardsService, type MemberId } from '#domain/members';
import { systemClock, type TenantContext } from '#infra/kernel';
import { addDays, formatInstant, localDateOf, minuteOfInstant } from '#infra/time';
import { demoLadder, type SeededBooks } from './demo-books.js';

export interface SeededTenant {
  readonly ctx: TenantContext;
  readonly clinic: SeededClinic;
  readonly members: readonly MemberId[];
  readonly books: SeededBooks;
}

/** A call worth trying, for the banner of `npm start`; with a token unless it says otherwise. */
interface Example {
  readonly says: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Of the product's folder, sent as it is. */
  readonly file?: string;
}

const exampleService = 'Laser treatment';
/** How far ahead the visit of the example lies: after any notice, inside any horizon. */
const exampleDays = { from: 7, to: 13 };

/** What can be done with the clinic, a domain after the other. */
export async function examplesOf(product: INestApplicationContext, seeded: SeededTenant): Promise<readonly Example[]> {
  return [
    ...(await aboutAppointments(product, seeded)),
    aboutPatients,
    await aboutCards(product, seeded),
    ...aboutBooks(seeded.books),
  ];
}

export const idsOf = ({ clinic, members, books }: SeededTenant) => ({
  locationId: clinic.locationId,
  serviceId: serviceOf(clinic),
  memberId: members[0],
  pointOfSale: books.pointOfSale,
  cardProcessor: books.cardProcessor,
});

const serviceOf = ({ serviceIds }: SeededClinic) => serviceIds[exampleService] as ServiceId;

async function aboutAppointments(product: INestApplicationContext, { ctx, clinic }: SeededTenant): Promise<Example[]> {
  const { locationId, tz } = clinic;
  const serviceId = serviceOf(clinic);
  const now = minuteOfInstant(systemClock.now());
  const today = localDateOf(now, tz);
  const [from, to] = [addDays(today, exampleDays.from), addDays(today, exampleDays.to)];
  const { starts } = await product.get(AvailabilityService).find(ctx, { serviceId, locationId, from, to });
  const start = formatInstant(starts[0]?.startMin ?? now, tz);
  return [
    {
      says: `free times for "${exampleService}" next week`,
      method: 'GET',
      path: `/api/v1/availability?serviceId=${serviceId}&locationId=${locationId}&from=${from}&to=${to}`,
    },
    {
      says: 'book one: provider, room and device at once; the same key again gives the same answer',
      method: 'POST',
      path: '/api/v1/appointments',
      headers: { 'Idempotency-Key': `try-${start}` },
      body: { serviceId, locationId, start, client: { name: 'Robin Example', phone: '+1 604 555 0100' } },
    },
  ];
}

const aboutPatients: Example = {
  says: 'find a patient by the beginning of a name and a birth date, though neither is stored in clear',
  method: 'POST',
  path: '/api/v1/patients/search',
  body: { family: 'exa', birthDate: '1988-04-12' },
};

async function aboutCards(product: INestApplicationContext, { ctx, members }: SeededTenant): Promise<Example> {
  const [member] = members;
  if (member === undefined) throw new Error('the clinic has no member');
  const { face } = await product.get(CardsService).generate(ctx, member);
  return {
    says: 'verify a card by what its QR code says; anybody may',
    method: 'POST',
    path: '/api/v1/cards/verify',
    body: { scan: face.code, nonce: 'n-1' },
  };
}

const aboutBooks = ({ pointOfSale, cardProcessor }: SeededBooks): Example[] => [
  upload('the till’s file and the card processor’s', pointOfSale, 'docs/examples/point-of-sale.csv'),
  upload('', cardProcessor, 'docs/examples/card-processor.csv'),
  {
    says: 'match them; GET …/runs/<id>, /matches and /unmatched?side=left say what came of it',
    method: 'POST',
    path: '/api/v1/reconciliation/runs',
    body: { leftSourceId: pointOfSale, rightSourceId: cardProcessor, ladder: demoLadder },
  },
];

const upload = (says: string, sourceId: string, file: string): Example => ({
  says,
  method: 'POST',
  path: `/api/v1/reconciliation/sources/${sourceId}/statements`,
  headers: { 'content-type': 'text/csv' },
  file,
});
