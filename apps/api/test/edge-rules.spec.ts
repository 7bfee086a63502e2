import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { Access, type AccessRule, PageQuery } from '../src/edge/index.js';
import { startEdge } from './edge-fixture.js';

const whole: AccessRule = {
  permission: 'things.read',
  audit: 'thing.read',
  limit: 'read',
  answers: null,
  summary: 'A thing',
};
const without = (...names: (keyof AccessRule)[]) =>
  Object.fromEntries(Object.entries(whole).filter(([name]) => !names.includes(name as keyof AccessRule))) as never;

@Controller('bare')
class BareController {
  @Get()
  list() {
    return [];
  }
}

@Controller('gaps')
class GapsController {
  @Get('permission')
  @Access(without('permission'))
  noPermission() {}

  @Get('audit')
  @Access(without('audit'))
  noAudit() {}

  @Get('limit')
  @Access(without('limit'))
  noLimit() {}

  @Get('whole')
  @Access(whole)
  whole() {}
}

@Controller('wrong')
class WrongController {
  @Get('permission')
  @Access({ ...whole, permission: 'things.reed' })
  unknownPermission() {}

  @Get('limit')
  @Access({ ...whole, limit: 'unlimited' })
  unlimited() {}

  @Get('audit')
  @Access({ ...whole, audit: 'Thing read' })
  oddVerb() {}

  @Post('public')
  @Access({ ...whole, permission: 'public', idempotency: 'required' })
  keyWithoutTenant() {}

  @Post('body')
  @Access(whole)
  unchecked(@Body() _body: unknown, @Query() _query: unknown) {}

  @Get('page')
  @Access(whole)
  page(@PageQuery() _page: unknown) {}
}

@Controller('plain')
class PlainController {
  @Post()
  @Access(whole)
  fine(@Body({ schema: z.strictObject({}) }) _body: unknown) {}
}

const refusal = async (controller: new () => unknown): Promise<string> => {
  try {
    const { app } = await startEdge({ controllers: [controller] });
    await app.close();
    return 'booted';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('the boot check of routes', () => {
  it('refuses a handler without any rule, by its name', async () => {
    expect(await refusal(BareController)).toContain(
      'BareController.list lacks a permission, an audit verb, a limit class',
    );
  });

  it('names each handler that lacks its permission, its audit verb or its limit class, and no other', async () => {
    const message = await refusal(GapsController);
    expect(message).toContain('GapsController.noPermission lacks a permission\n');
    expect(message).toContain('GapsController.noAudit lacks an audit verb\n');
    expect(message).toContain('GapsController.noLimit lacks a limit class');
    expect(message).not.toContain('GapsController.whole');
  });

  it('refuses names that nobody knows, and input that nothing checks', async () => {
    const message = await refusal(WrongController);
    expect(message).toContain('unknownPermission lacks a permission that some role holds (things.reed)');
    expect(message).toContain('unlimited lacks a limit class that exists (unlimited)');
    expect(message).toContain('oddVerb lacks an audit verb of the form noun.verb');
    expect(message).toContain('keyWithoutTenant lacks a tenant, in which alone an Idempotency-Key can be kept');
    expect(message).toContain('unchecked lacks a schema for its query, a schema for its body');
    expect(message).toContain('page lacks @Query({ schema: listQuery({ … }) }) beside @PageQuery()');
  });

  it('boots where every rule is complete', async () => {
    expect(await refusal(PlainController)).toBe('booted');
  });

  it('refuses a route that is registered past the controllers and does not say why it is open', async () => {
    const boot = startEdge({
      controllers: [PlainController],
      openRoutes: (server) => server.get('/side-door', async () => 'hello'),
    });
    await expect(boot).rejects.toThrow('route GET /side-door has no access rule');
  });
});
