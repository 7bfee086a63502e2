import { resolve } from 'node:path';
import { boundedOtherwise, isOpenEnded, openEndedAt, openEndedIn } from './list-limits.js';

const placesIn = (code: string) => openEndedIn('a.repository.ts', code).map(({ place }) => place);

describe('a statement of a repository', () => {
  it('says how many rows it answers at most, or is known to be bounded by something else', () => {
    const { repositories, found } = openEndedAt(resolve(__dirname, '..'));
    expect(repositories).toBeGreaterThan(25);
    const unknown = found.filter(({ place }) => !(place in boundedOtherwise));
    expect(unknown.map(({ place, line }) => `${place}:${line}`)).toEqual([]);
    const used = new Set(found.map(({ place }) => place));
    expect(Object.keys(boundedOtherwise).filter((place) => !used.has(place))).toEqual([]);
  });

  it.each([
    'select id from member where tenant_id = $1',
    'select id from member where tenant_id = $1 and patient_id = $2 order by id',
    'select id from member where tenant_id = $1 and id > $2 order by id offset $3',
    'select status, count(*) from member where tenant_id = $1 group by status',
    'with some as (select id from member where tenant_id = $1) select * from some',
  ])('would be seen without a limit: %s', (sql) => {
    expect(placesIn(`class A { all(tx) { return tx.db.query(\`${sql}\`, []); } }`)).toEqual(['a.repository.ts all']);
    expect(placesIn(`const all = '${sql}';`)).toEqual(['a.repository.ts all']);
    expect(isOpenEnded(sql.replaceAll(' ', '\n'))).toBe(true);
  });

  it.each([
    'select id from member where tenant_id = $1 order by id limit $2',
    'select name from member m where m.tenant_id = $1 and m.id = $2 for update',
    'select count(*)::int as n from member where tenant_id = $1',
    'select pg_advisory_xact_lock(hashtextextended($1, 0))',
    'with gone as (delete from member where tenant_id = $1 returning id) select id from gone',
    'update member set status = $2 where tenant_id = $1',
    'a text that is no statement',
  ])('is left alone where it is bounded by itself: %s', (sql) => {
    expect(placesIn(`class A { all(tx) { return tx.db.query(\`${sql}\`, []); } }`)).toEqual([]);
  });

  it('is left alone where sharding makes pages of it, and nothing beside it is', () => {
    const paged = '`select id from member where tenant_id = $1`';
    expect(
      placesIn(`class A { all(tx) { const select = ${paged}; return listed(tx.db, { select, values }); } }`),
    ).toEqual([]);
    expect(placesIn(`const lists = { all: ${paged} };\nconst page = { select: lists.all, values };`)).toEqual([]);
    expect(placesIn(`const other = ${paged};\nconst page = { select: lists.all, values };`)).toEqual([
      'a.repository.ts other',
    ]);
  });
});
