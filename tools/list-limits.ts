import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** A statement of a repository that does not say how many rows it answers at most. */
export interface OpenEnded {
  /** `<file> <method or constant>` */
  readonly place: string;
  readonly line: number;
}

const oneRow = 'a unique key names one row';
const byIds = 'one row for each id that the caller names';

/** Selects without a limit, and what bounds them instead. */
export const boundedOtherwise: Readonly<Record<string, string>> = {
  'apps/websocket-gateway/src/sessions/standings.repository.ts alive': byIds,
  'libs/domain/appointments/src/analytics.repository.ts countedWhere':
    'figures by day of 366, by status and by service',
  'libs/domain/appointments/src/calendar.repository.ts overrides': 'one row for each day of 366',
  'libs/domain/appointments/src/calendar.repository.ts schedules': 'as many as one request may replace them with',
  'libs/domain/appointments/src/claims.repository.ts extendBlocks': 'all blocks of one resource, which all must hold',
  'libs/domain/appointments/src/claims.repository.ts lock': byIds,
  'libs/domain/appointments/src/public-catalogue.repository.ts publication': oneRow,
  'libs/domain/patients/src/patients.repository.ts readMany': byIds,
  'libs/domain/patients/src/patients.repository.ts version': oneRow,
  'libs/domain/patients/src/tokens.repository.ts lock': byIds,
  'libs/domain/reconciliation/src/records.repository.ts known': byIds,
  'libs/domain/reconciliation/src/runs.repository.ts leg': oneRow,
  'libs/domain/reconciliation/src/runs.repository.ts ofFingerprint': oneRow,
  'libs/domain/reconciliation/src/statements.repository.ts ofContent': oneRow,
  'libs/domain/reconciliation/src/takings.repository.ts daysOf': 'a row for each day of 366 and each source of 100',
  'libs/domain/reconciliation/src/upload-parts.repository.ts read': oneRow,
  'libs/infra/identity/src/login-attempts.repository.ts lock': oneRow,
  'libs/infra/identity/src/users.repository.ts byEmail': oneRow,
  'libs/infra/identity/src/users.repository.ts otherActiveOwners': 'owners of one tenant, all of whom must be held',
  'libs/infra/identity/src/users.repository.ts rolesOf': 'one row for each role that there is',
  'libs/infra/queues/src/facts.repository.ts newest': oneRow,
  'libs/infra/quotas/src/quotas.repository.ts compare': 'one row for each kind of quota',
  'libs/infra/quotas/src/quotas.repository.ts recount': 'a function that answers one row',
  'libs/infra/quotas/src/quotas.repository.ts usage': 'one row for each kind of quota',
};

/** What the repositories of the workspace at `root` have of them, and how many repositories there are. */
export function openEndedAt(root: string): { readonly repositories: number; readonly found: readonly OpenEnded[] } {
  const files = ['apps', 'libs'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
      .filter((file) => file.endsWith('.repository.ts')),
  );
  const found = files.flatMap((file) => openEndedIn(file, readFileSync(join(root, file), 'utf8')));
  return { repositories: files.length, found };
}

/** Statements in a repository's text that may answer any number of rows. */
export function openEndedIn(file: string, text: string): readonly OpenEnded[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const paged = pagedIn(source);
  const found: OpenEnded[] = [];
  const visit = (node: ts.Node, within: string): void => {
    const name = nameOf(node) ?? within;
    if (isText(node) && !paged.has(variableOf(node)) && isOpenEnded(sqlOf(node)))
      found.push({ place: `${file} ${name}`, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1 });
    ts.forEachChild(node, (child) => visit(child, name));
  };
  visit(source, '');
  return found;
}

/** Whether a statement as it is written, or as PostgreSQL was sent it, may answer any number of rows. */
export function isOpenEnded(sql: string): boolean {
  const text = sql.replaceAll(/\s+/g, ' ').trim().toLowerCase();
  if (!/^(with|select)\b/.test(text) || /\b(insert into|update|delete from) \w+/.test(text)) return false;
  if (/\blimit\b/.test(text) || /\bid = \$\d/.test(text)) return false;
  const addsUp = /^select (\(|coalesce\()*(count|sum|min|max|exists) ?\(/.test(text) && !text.includes(' group by ');
  const asksNoTable = /^select \w+\(/.test(text) && !text.includes(' from ');
  return !addsUp && !asksNoTable;
}

/** Constants whose texts sharding's `listed` makes pages of: what stands as `select` in a listing. */
function pagedIn(source: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isShorthandPropertyAssignment(node) && node.name.text === 'select') names.add('select');
    if (ts.isPropertyAssignment(node) && node.name.getText() === 'select') names.add(rootOf(node.initializer));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names;
}

const rootOf = (node: ts.Expression): string =>
  ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node) ? rootOf(node.expression) : node.getText();

const isText = (node: ts.Node): node is ts.StringLiteral | ts.NoSubstitutionTemplateLiteral | ts.TemplateExpression =>
  ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateExpression(node);
const sqlOf = (node: ts.Node): string => node.getText().slice(1, -1);

/** The innermost constant that a text belongs to. */
function variableOf(node: ts.Node): string {
  for (let at: ts.Node = node; at !== undefined; at = at.parent) {
    if (ts.isVariableDeclaration(at)) return at.name.getText();
    if (ts.isMethodDeclaration(at) || ts.isSourceFile(at)) break;
  }
  return '';
}

/** Methods and functions, and constants outside of them. */
function nameOf(node: ts.Node): string | undefined {
  if ((ts.isMethodDeclaration(node) || ts.isFunctionDeclaration(node)) && node.name) return node.name.getText();
  const outermost = ts.isVariableDeclaration(node) && ts.isSourceFile(node.parent.parent.parent);
  return outermost ? node.name.getText() : undefined;
}
