/** The part of Jest's JSON report that matters here. */
export interface TestRun {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[];
  }[];
}

export interface Row {
  readonly id: string;
  readonly required: string;
  readonly chapter: string;
}

/** Ids in the titles of passed tests; an id that a failed or skipped test carries too is not shown. */
export function shownIds(run: TestRun): ReadonlySet<string> {
  const shown = new Set<string>();
  const doubtful = new Set<string>();
  for (const { status, title } of run.testResults.flatMap((file) => file.assertionResults))
    for (const id of idsIn(title)) (status === 'passed' ? shown : doubtful).add(id);
  return new Set([...shown].filter((id) => !doubtful.has(id)).sort());
}

/** `[B-034]`, `[B-034, C-012]` and `[B-034] [C-012]`, at any place of a title. */
function idsIn(title: string): readonly string[] {
  const brackets = title.match(/\[[A-Z]-\d{3}(?:,\s*[A-Z]-\d{3})*\]/g) ?? [];
  return brackets.flatMap((bracket) => bracket.match(/[A-Z]-\d{3}/g) ?? []);
}

/** The rows of the list's tables, each with the chapter that it stands in. */
export function readRows(text: string): readonly Row[] {
  const rows: Row[] = [];
  let chapter = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('## ')) chapter = line.slice(3);
    const [, id, required] = /^\| ([A-Z]-\d+) \| (.*?) \|/.exec(line) ?? [];
    if (id !== undefined && required !== undefined) rows.push({ id, required, chapter });
  }
  return rows;
}

/** Chapter by chapter what is shown and what is owed; the last line is the total. */
export function report(rows: readonly Row[], shown: ReadonlySet<string>): readonly string[] {
  const chapters = [...new Set(rows.map((row) => row.chapter))];
  const known = new Set(rows.map(({ id }) => id));
  const strange = [...shown].filter((id) => !known.has(id));
  return [
    ...chapters.flatMap((chapter) =>
      chapterReport(
        chapter,
        rows.filter((row) => row.chapter === chapter),
        shown,
      ),
    ),
    ...(strange.length === 0 ? [] : [`shown, and not among the rows: ${strange.join(', ')}`]),
    `${shown.size - strange.length} of ${rows.length}`,
  ];
}

function chapterReport(chapter: string, rows: readonly Row[], shown: ReadonlySet<string>): readonly string[] {
  const done = rows.filter(({ id }) => shown.has(id));
  const owed = rows.filter(({ id }) => !shown.has(id)).map(({ id }) => id);
  return [
    `${chapter}: ${done.length} shown, ${owed.length} owed`,
    ...done.map(({ id, required }) => `  ✓ ${id} ${required}`),
    ...(owed.length === 0 ? [] : [`  owed: ${ranges(owed)}`]),
    '',
  ];
}

/** `A-001…A-004, A-007` */
function ranges(ids: readonly string[]): string {
  const runs: { from: string; to: string }[] = [];
  for (const id of ids) {
    const last = runs.at(-1);
    if (last !== undefined && Number(id.slice(2)) === Number(last.to.slice(2)) + 1) last.to = id;
    else runs.push({ from: id, to: id });
  }
  return runs.map(({ from, to }) => (from === to ? from : `${from}…${to}`)).join(', ');
}
