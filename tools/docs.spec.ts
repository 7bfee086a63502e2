import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { projectRoot } from '#infra/testing';

const root = projectRoot();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const pages = ['.', 'docs', 'apps', 'libs', 'load', 'deploy']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: folder !== '.', encoding: 'utf8' }).map((file) => join(folder, file)),
  )
  .filter((file) => file.endsWith('.md'));

/** Relative links of a page, without their anchors. */
const linksOf = (page: string): readonly string[] =>
  [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target.replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target));

/** The rows of the table under a heading of docs/map.md: theirs, and our places in backticks. */
function mapOf(heading: string): ReadonlyMap<string, readonly string[]> {
  const section =
    read('docs/map.md')
      .split('\n## ')
      .find((part) => part.startsWith(heading)) ?? '';
  const rows = section.split('\n').filter((line) => /^\| (?!theirs|-)/.test(line));
  return new Map(
    rows.map((row) => {
      const [, theirs = '', here = ''] = row.split('|').map((cell) => cell.trim());
      return [theirs, [...here.matchAll(/`([^`*]+)`/g)].map(([, place = '']) => place)];
    }),
  );
}
const missing = (places: Iterable<readonly string[]>): readonly string[] =>
  [...places].flat().filter((place) => !existsSync(join(root, place)));

describe('the documents', () => {
  it('link only to what exists', () => {
    expect(pages.length).toBeGreaterThan(20);
    const broken = pages.flatMap((page) =>
      linksOf(page)
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it.each([
    ['C-152', 'The booking platform', 9],
    ['D-094', 'The healthcare API', 7],
    ['E-082', 'The platform of many companies', 9],
  ])('[%s] name our place for each file of %s, and every place exists', (_, heading, count) => {
    const map = mapOf(heading);
    expect(map.size).toBe(count);
    expect([...map].filter(([, places]) => places.length === 0)).toEqual([]);
    expect(missing(map.values())).toEqual([]);
  });

  it('[D-099] [D-100] [B-015] say what is out of scope, each with its reason', () => {
    const rows = read('docs/out-of-scope.md')
      .split('\n')
      .filter((line) => line.startsWith('| '));
    for (const subject of ['GraphQL', 'Edge functions', '`innodb_thread_concurrency`'])
      expect(rows.find((row) => row.startsWith(`| ${subject} |`))?.length).toBeGreaterThan(80);
  });

  it('[E-090] ioredis is pinned, for TypeORM too', () => {
    const { dependencies, overrides } = JSON.parse(read('package.json'));
    expect(dependencies.ioredis).toMatch(/^\d+\.\d+\.\d+$/);
    expect(overrides.typeorm.ioredis).toBe('$ioredis');
  });
});
