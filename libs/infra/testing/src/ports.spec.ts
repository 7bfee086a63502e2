import { createServer, type Server } from 'node:net';
import { findPort, giveBackPort } from './ports.js';

async function occupy(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, port: address.port };
}

describe('ports', () => {
  it('a port in use is named, and another one is taken', async () => {
    const { server, port } = await occupy();
    const notes: string[] = [];
    const found = await findPort('the API', [port], (line) => notes.push(line));
    expect(found).not.toBe(port);
    expect(notes).toEqual([`port ${port} for the API is in use; taking ${found}`]);
    server.close();
    giveBackPort(found);
  });

  it('a free port that was asked for is taken without a word', async () => {
    const { server, port } = await occupy();
    await new Promise((resolve) => server.close(resolve));
    const notes: string[] = [];
    expect(await findPort('the API', [port], (line) => notes.push(line))).toBe(port);
    expect(notes).toEqual([]);
    giveBackPort(port);
  });

  it('two servers that start at once never get the same port', async () => {
    const found = await Promise.all(Array.from({ length: 20 }, () => findPort('a server', [], () => {})));
    expect(new Set(found).size).toBe(20);
    for (const port of found) giveBackPort(port);
  });
});
