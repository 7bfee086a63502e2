import Fastify from 'fastify';
import { settled } from '../src/edge/settled.js';

describe('a hook that settles', () => {
  const server = Fastify();
  const errors = { thrown: 'at once', rejected: 'later' };
  const works: Readonly<Record<string, () => Promise<void> | void>> = {
    nothing: () => undefined,
    waited: () => Promise.resolve(),
    thrown: () => {
      throw new Error(errors.thrown);
    },
    rejected: () => Promise.reject(new Error(errors.rejected)),
  };
  beforeAll(async () => {
    for (const [path, work] of Object.entries(works)) server.get(`/${path}`, { onRequest: settled(work) }, () => path);
    await server.ready();
  });
  afterAll(() => server.close());

  it('lets the request on, at once or later', async () => {
    for (const path of ['nothing', 'waited']) expect((await server.inject(`/${path}`)).body).toBe(path);
  });

  it('answers what was thrown as what was rejected, and the process goes on', async () => {
    for (const [path, message] of Object.entries(errors))
      expect((await server.inject(`/${path}`)).json()).toMatchObject({ statusCode: 500, message });
  });
});
