import { Controller, Get, Param } from '@nestjs/common';
import { z } from 'zod';
import { newId } from '#infra/kernel';
import { Access, idOf } from '../src/edge/index.js';
import type { RememberedEntity } from '../src/edge/remembered.js';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import type { ThingId } from './edge-things.js';

interface Thing extends RememberedEntity {
  readonly id: ThingId;
  readonly name: string;
}

const made: string[] = [];
const lookedUp: string[] = [];
/** What memory has, and what the source has. */
const memory = new Map<string, Thing>();
const source = new Map<string, Thing>();
const thing = z.strictObject({ id: idOf<ThingId>('thing'), name: z.string(), version: z.int() });
const rule = { permission: 'things.read', audit: 'none', limit: 'read', caching: 'revalidate' } as const;

@Controller('api/v1/remembered')
class RememberedController {
  @Get(':thingId')
  @Access({ ...rule, remembered: 'thing', answers: thing, summary: 'A thing' })
  get(@Param('thingId', { schema: idOf<ThingId>('thing') }) id: ThingId) {
    made.push(id);
    return { ...source.get(id) };
  }
}

let edge: Edge;
const reader = person(['things.read']);
const stranger = person(['things.manage']);
beforeAll(async () => {
  const remembered = {
    thing: (_: unknown, { thingId = '' }) => {
      lookedUp.push(thingId);
      return memory.get(thingId);
    },
  };
  edge = await startEdge({ controllers: [RememberedController], people: [reader, stranger], remembered });
});
afterAll(() => edge?.app.close());

function put(name: string, version: number, id = newId<ThingId>()): ThingId {
  const kept = Object.freeze({ id, name, version });
  memory.set(id, kept);
  source.set(id, kept);
  return id;
}
const ask = (id: string, headers: object = bearer(reader)) =>
  edge.app.inject({ method: 'GET', url: `/api/v1/remembered/${id}`, headers: { ...headers } });
const askedHandler = (id: ThingId) => made.filter((each) => each === id).length;

describe('an answer that is remembered', () => {
  it('is made once by its handler, and is the same afterwards, headers and all', async () => {
    const id = put('Lamp', 3);
    const [first, second] = [await ask(id), await ask(id)];
    expect(askedHandler(id)).toBe(1);
    expect(second.json()).toEqual({ id, name: 'Lamp', version: 3 });
    const without = ({ date: _d, 'x-request-id': _r, ...rest }: Record<string, unknown>) => rest;
    expect(without(second.headers)).toEqual(without(first.headers));
    expect(second.headers.etag).toBe('"v3"');
  });

  it('counts as one look into memory', async () => {
    const id = put('Lamp', 1);
    await ask(id);
    lookedUp.length = 0;
    await ask(id);
    expect(lookedUp).toEqual([id]);
  });

  it('is gone with the object that it was made of', async () => {
    const id = put('Lamp', 1);
    await ask(id);
    put('Lantern', 2, id);
    expect((await ask(id)).json()).toMatchObject({ name: 'Lantern', version: 2 });
    memory.delete(id);
    expect((await ask(id)).json()).toMatchObject({ name: 'Lantern' });
    expect(askedHandler(id)).toBe(3);
  });

  it('is not what a handler made of another version than memory has', async () => {
    const id = put('Lamp', 1);
    memory.set(id, Object.freeze({ id, name: 'Lamp', version: 7 }));
    await ask(id);
    await ask(id);
    expect(askedHandler(id)).toBe(2);
  });

  it('is 304 for whoever has it, and nothing for who may not ask or asks wrongly', async () => {
    const id = put('Lamp', 4);
    await ask(id);
    const again = await ask(id, { ...bearer(reader), 'if-none-match': '"v4"' });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    expect((await ask(id, {})).statusCode).toBe(401);
    expect((await ask(id, bearer(stranger))).statusCode).toBe(403);
    expect((await ask(`${id}?colour=red`)).statusCode).toBe(422);
    expect((await ask('%00')).statusCode).toBe(422);
    expect(askedHandler(id)).toBe(1);
  });

  it('is counted and logged as any other', async () => {
    const id = put('Lamp', 4);
    await ask(id);
    edge.lines.texts.length = 0;
    await ask(id);
    expect(edge.lines.of('request.done')).toMatchObject([
      { 'http.route': '/api/v1/remembered/:thingId', 'http.response.status_code': 200, 'user.id': reader.actor.id },
    ]);
  });
});
