import { randomBytes } from 'node:crypto';
import { parseConfig, Secret } from '#infra/config';
import { Ed25519Key } from '#infra/crypto';
import { createIdentity, type Identity, identityConfig, identityJobs, type LoginGrant } from '#infra/identity';
import { type Context, FixedClock, newId, type Tenant, type TenantContext, type UserActor } from '#infra/kernel';
import { Catalogue, Nudge, Outbox } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import { createLog, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases } from '#infra/testing';

export const start = Date.parse('2026-12-01T09:00:00Z');
const processIdentity = { app: 'test', version: '0' } as const;
const log = createLog({ level: 'error', service: 'praxis' }, processIdentity);
export const minute = 60_000;
export const ownerPassword = 'seven otters left early';

/** A user of a tenant of their own. */
export interface Owner {
  readonly tenant: Tenant;
  readonly slug: string;
  readonly email: string;
  readonly userId: UserActor['id'];
}

/** Identity on real databases, as one process or several, with a clock that the test moves. */
export class IdentityFixture {
  readonly signingSecret = randomBytes(32).toString('base64');
  readonly signing = Ed25519Key.fromSecret(new Secret(this.signingSecret));
  readonly metrics: Metrics;
  readonly identity: Identity;

  private constructor(
    readonly databases: TestDatabases,
    readonly clock: FixedClock,
    private readonly env: Readonly<Record<string, string>>,
  ) {
    this.metrics = new Metrics({ config: { monitoring: true, service: 'praxis' }, identity: processIdentity, log });
    this.identity = this.process(this.metrics);
  }

  static async open(env: Readonly<Record<string, string>> = {}): Promise<IdentityFixture> {
    const clock = new FixedClock(start);
    return new IdentityFixture(await openTestDatabases({ clock, env }), clock, env);
  }

  /** One more process on the same databases. */
  process(metrics = new Metrics()): Identity {
    const { clock, databases } = this;
    const { sharding, crypto, audit, redis, rootKey: root } = databases;
    const { identity: config } = parseConfig(
      { identity: identityConfig },
      { TOKEN_SIGNING_KEY: this.signingSecret, APP_URL: 'https://app.praxis.example', ...this.env },
    );
    const outbox = new Outbox(new Catalogue({ jobs: identityJobs }), new Nudge(redis, log), clock);
    const quotas = new Quotas({ sharding, clock, log, metrics });
    return createIdentity({ config, clock, sharding, crypto, audit, outbox, root, metrics, quotas });
  }

  /** A request of somebody who is not known yet. */
  anonymous(): Context {
    return { ...this.databases.newContext(), actor: { kind: 'anonymous' }, ip: '192.0.2.7', route: 'POST /test' };
  }

  /** A request that carries this access token. */
  async as({ accessToken }: { readonly accessToken: string }, identity = this.identity): Promise<TenantContext> {
    return { ...this.databases.newContext(), ...(await identity.sessions.authenticate(accessToken)) };
  }

  system(tenant: Tenant): TenantContext {
    return { ...this.databases.newContext(), tenant };
  }

  async newOwner(): Promise<Owner> {
    const ctx = await this.databases.newTenant();
    const { slug } = await this.databases.sharding.tenants.byId(ctx.tenant.id);
    const email = `owner-${newId().slice(-8)}@harbor.example`;
    const user = await this.identity.users.createOwner(ctx, {
      email,
      displayName: 'Inès Moreau',
      password: ownerPassword,
    });
    return { tenant: ctx.tenant, slug, email, userId: user.id };
  }

  login(owner: Pick<Owner, 'slug' | 'email'>, password = ownerPassword, identity = this.identity): Promise<LoginGrant> {
    return identity.sessions.login(this.anonymous(), { tenant: owner.slug, email: owner.email, password });
  }

  /** Somebody who was invited with these roles and has joined. */
  async join(owner: Owner, roles: Parameters<Identity['invitations']['invite']>[1]['roles']) {
    const email = `staff-${newId().slice(-8)}@harbor.example`;
    const by = await this.as(await this.login(owner));
    const { userId, invitationId } = await this.identity.invitations.invite(by, { email, roles });
    const token = await this.mailedToken(owner.tenant, 'invitation', invitationId);
    await this.identity.invitations.accept(this.anonymous(), {
      token,
      password: ownerPassword,
      displayName: 'Ravi Anand',
    });
    return { tenant: owner.tenant, slug: owner.slug, email, userId };
  }

  /** The token in the mail that a job would send now. */
  async mailedToken(tenant: Tenant, ...[kind, id]: MailArguments): Promise<string> {
    const letter = await this.identity.mail(this.system(tenant), kind, id);
    const token = /#token=(\S+)/.exec(letter?.text ?? '')?.[1];
    if (token === undefined) throw new Error('there is no mail to send');
    return token;
  }

  /** Actions and outcomes in a tenant's audit in the directory, oldest first. */
  auditOf(tenant: Tenant): Promise<{ action: string; outcome: string; actor: string; resource: string | null }[]> {
    return this.databases.asAdmin(
      'directory',
      `select action, outcome, actor_type as actor, resource_id as resource from audit_event
        where tenant_id = $1 order by id`,
      [tenant.id],
    );
  }
}

type MailArguments = Parameters<Identity['mail']> extends [unknown, ...infer Rest] ? Rest : never;
