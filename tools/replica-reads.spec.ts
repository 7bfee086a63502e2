import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { projectRoot } from '#infra/testing';

/** Verbs that open a transaction that writes. */
const writing: ReadonlySet<string> = new Set(['write', 'writeOnce', 'bulk']);

const isTransaction = (node: ts.Node): node is ts.CallExpression =>
  ts.isCallExpression(node) &&
  ts.isPropertyAccessExpression(node.expression) &&
  writing.has(node.expression.name.text) &&
  node.arguments.some((argument) => ts.isArrowFunction(argument) || ts.isFunctionExpression(argument));

const asksReplica = (node: ts.Node): boolean =>
  ts.isPropertyAssignment(node) &&
  node.name.getText() === 'from' &&
  ts.isStringLiteral(node.initializer) &&
  node.initializer.text === 'replica';

/** Lines of a source where a replica is asked inside a writing transaction. */
function replicaReadsInWrites(text: string): readonly number[] {
  const source = ts.createSourceFile('x.ts', text, ts.ScriptTarget.Latest, true);
  const found: number[] = [];
  const visit = (node: ts.Node, inside: boolean): void => {
    if (inside && asksReplica(node)) found.push(source.getLineAndCharacterOfPosition(node.getStart()).line + 1);
    ts.forEachChild(node, (child) => visit(child, inside || isTransaction(node)));
  };
  visit(source, false);
  return found;
}

const sources = ['apps', 'libs'].flatMap((folder) =>
  readdirSync(join(projectRoot(), folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\/src\/.*\.ts$/.test(`/${file}`) && !file.endsWith('.spec.ts'))
    .map((file) => join(folder, file)),
);

describe('A replica', () => {
  it('[E-061] is asked in no transaction that writes: what it shows may be older than what was just written', () => {
    const wrong = sources.flatMap((file) =>
      replicaReadsInWrites(readFileSync(join(projectRoot(), file), 'utf8')).map((line) => `${file}:${line}`),
    );
    expect(wrong).toEqual([]);
    expect(sources.length).toBeGreaterThan(300);
    const asking = sources.filter((file) =>
      readFileSync(join(projectRoot(), file), 'utf8').includes(`from: 'replica'`),
    );
    expect(asking.length).toBeGreaterThan(5);
  });

  it('that is asked inside one would be found, and one that is asked beside it would not', () => {
    const read = `sharding.read(ctx, (tx) => rows.list(tx), { from: 'replica' })`;
    expect(replicaReadsInWrites(`sharding.write(ctx, async (tx) => {\n  await ${read};\n});`)).toEqual([2]);
    expect(
      replicaReadsInWrites(`this.parts.sharding.writeOnce(ctx, async function (tx) { if (x) { ${read} } });`),
    ).toEqual([1]);
    expect(replicaReadsInWrites(`await ${read};\nawait sharding.write(ctx, (tx) => tx.db.query('x'));`)).toEqual([]);
    expect(replicaReadsInWrites(`stream.write('x'); await ${read};`)).toEqual([]);
  });
});
