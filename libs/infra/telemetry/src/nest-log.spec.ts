import { Injectable, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createLog } from './log.js';
import { NestLog } from './nest-log.js';

function listen() {
  const lines: string[] = [];
  const to = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: 'debug', service: 'praxis' }, { app: 'api', version: '0', to });
  return { logger: new NestLog(log), lines };
}

class Missing {}
@Injectable()
class Needy {
  constructor(readonly missing: Missing) {}
}
@Module({ providers: [Needy] })
class Broken {}

describe('messages of the framework', () => {
  afterAll(() => Logger.overrideLogger(true));

  it('say which provider is missing when wiring fails', async () => {
    const { logger, lines } = listen();
    await expect(NestFactory.createApplicationContext(Broken, { logger, abortOnError: false })).rejects.toThrow();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/"log.logger":"ExceptionHandler".*can't resolve dependencies of the Needy/);
  });

  it('repeat no text of a failure that is not about wiring', () => {
    const { logger, lines } = listen();
    logger.error(new Error('Key (email)=(lovelace@example.org) exists'), 'ExceptionsHandler');
    logger.error('Key (email)=(lovelace@example.org) exists', 'Error: lovelace\n    at x', 'ExceptionsHandler');
    logger.warn('lovelace');
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain('lovelace');
    expect(lines[1]).toContain('"log.logger":"ExceptionsHandler"');
  });
});
