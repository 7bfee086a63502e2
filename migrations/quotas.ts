/**
 * SQL of quotas that the directory and every shard have alike; each has a `quota_count` of its own. Part of two migrations:
 * what has run somewhere is never edited, a change is a new migration.
 */

/** One row for each resource of a tenant whose plan limits it, from its first use on. */
export const quotaTable = `
-- used: what there is, of what began at period_start or later. counted_at: when it was last counted instead of reckoned.
create table quota_usage (
  tenant_id uuid not null,
  id uuid not null,
  resource text not null check (resource in ('users', 'patients', 'members', 'orders', 'products', 'exams', 'locations',
    'storageBytes', 'apiKeys')),
  used bigint not null check (used >= 0),
  period_start timestamptz not null,
  counted_at timestamptz not null,
  primary key (tenant_id, id),
  constraint quota_usage_resource unique (tenant_id, resource)
) with (fillfactor = 50);
call secure_tenant_table('quota_usage', 'select, insert, update');

create function quota_level(used bigint, most bigint) returns int language sql immutable as $$
  select case when used >= most then 100 when used * 100 >= most * 95 then 95 when used * 100 >= most * 80 then 80 else 0 end
$$;
`;

/**
 * Whoever counts holds the row, or where there is none the lock of its place, and so does whoever adds or takes away: a
 * count has seen all that was reckoned before it, and what is reckoned after it has waited for it. In READ COMMITTED each
 * statement of a volatile function sees what had committed when it began, which the waiting relies on.
 */
export const quotaProcedures = `
create function quota_place(resource text) returns bigint language sql stable as $$
  select hashtextextended('quota ' || current_setting('app.tenant_id') || ' ' || resource, 0)
$$;

-- Counts anew and keeps it; what it said before, null where it said nothing.
create function recount_quota(recounted text, since timestamptz, at timestamptz, row_id uuid)
returns table (before bigint, counted bigint)
language plpgsql as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
begin
  select q.used into before from quota_usage q where q.tenant_id = tenant and q.resource = recounted for no key update;
  if not found then
    perform pg_advisory_xact_lock(quota_place(recounted));
    select q.used into before from quota_usage q where q.tenant_id = tenant and q.resource = recounted for no key update;
  end if;
  counted := quota_count(recounted, since);
  insert into quota_usage as q (tenant_id, id, resource, used, period_start, counted_at)
  values (tenant, row_id, recounted, counted, since, at)
  on conflict on constraint quota_usage_resource
    do update set used = excluded.used, period_start = excluded.period_start, counted_at = excluded.counted_at;
  return next;
end $$;

-- Adds what this transaction has made, after it has made it; 80, 95 or 100 where that reaches this part of the limit, else
-- 0. TQ001 where it would be more than \`most\`. A row that was counted before \`fresh_from\`, or for an earlier period, says
-- nothing: it is counted anew, with what this transaction has made in it. \`fact_id\`: what is reached is announced.
create function consume_quota(consumed text, amount bigint, most bigint, since timestamptz, fresh_from timestamptz,
  at timestamptz, row_id uuid, fact_id uuid, request text)
returns int
language plpgsql as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
  total bigint;
  held record;
  recounted boolean := false;
  level int;
begin
  update quota_usage q set used = q.used + amount
   where q.tenant_id = tenant and q.resource = consumed and q.period_start >= since and q.counted_at >= fresh_from
     and q.used + amount <= most
  returning q.used into total;
  if not found then
    select q.used, q.period_start >= since and q.counted_at >= fresh_from as fresh into held
      from quota_usage q where q.tenant_id = tenant and q.resource = consumed for no key update;
    if not found then
      perform pg_advisory_xact_lock(quota_place(consumed));
      select q.used, q.period_start >= since and q.counted_at >= fresh_from as fresh into held
        from quota_usage q where q.tenant_id = tenant and q.resource = consumed for no key update;
    end if;
    if coalesce(held.fresh, false) then
      total := held.used + amount;
      if total <= most then
        update quota_usage q set used = total where q.tenant_id = tenant and q.resource = consumed;
      end if;
    else
      recounted := true;
      select r.counted into total from recount_quota(consumed, since, at, row_id) r;
    end if;
    if total > most then
      raise exception 'the quota is used up' using errcode = 'TQ001',
        detail = json_build_object('resource', consumed, 'recounted', recounted)::text;
    end if;
  end if;
  level := quota_level(total, most);
  if level = 0 or level = quota_level(total - amount, most) then
    return 0;
  end if;
  if fact_id is not null then
    insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
    values (tenant, fact_id, 'fact', 'quota.reached', consumed,
      jsonb_build_object('resource', consumed, 'level', level, 'used', total, 'limit', most), request, at, at);
  end if;
  return level;
end $$;

-- Takes away what this transaction has removed. Where nothing is reckoned yet, whoever counts first waits for it.
create function release_quota(released text, amount bigint) returns void
language plpgsql as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
begin
  update quota_usage q set used = greatest(q.used - amount, 0) where q.tenant_id = tenant and q.resource = released;
  if not found then
    perform pg_advisory_xact_lock(quota_place(released));
    update quota_usage q set used = greatest(q.used - amount, 0) where q.tenant_id = tenant and q.resource = released;
  end if;
end $$;
`;

export const dropQuotas = `
drop function release_quota(text, bigint);
drop function consume_quota(text, bigint, bigint, timestamptz, timestamptz, timestamptz, uuid, uuid, text);
drop function recount_quota(text, timestamptz, timestamptz, uuid);
drop function quota_place(text);
drop function quota_count(text, timestamptz);
drop table quota_usage;
drop function quota_level(bigint, bigint);
`;
