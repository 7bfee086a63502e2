import ts from 'typescript';

export interface Breach {
  readonly law: Law;
  readonly file: string;
  readonly line: number;
}

export const laws = {
  environment: 'the environment is read by libs/infra/config only',
  console: 'output goes through the log; console is for the command line, tools and load runs',
  clock: 'the present comes from kernel’s Clock, as instants',
  'lazy-wiring': 'no forwardRef, no request-scoped provider',
  'http-exceptions': 'errors are AppErrors; Nest’s HTTP exceptions stay in apps/api',
  'named-rooms': 'no utils, common or shared: a helper lives with its only user or in the lib whose noun it serves',
} as const;
export type Law = keyof typeof laws;

const outsideProduct = /^(tools|load)\//;
const spec = /\.spec\.ts$/;
const exempt: Readonly<Record<Law, readonly RegExp[]>> = {
  environment: [outsideProduct, /^libs\/infra\/(config|testing)\//],
  console: [outsideProduct, /^apps\/cli\//],
  clock: [outsideProduct, spec, /^libs\/infra\/kernel\/src\/clock\.ts$/],
  'lazy-wiring': [],
  'http-exceptions': [/^apps\/api\//],
  'named-rooms': [],
};

/** What a file of the workspace does against the laws of the house, line by line. */
export function breachesIn(file: string, text: string): readonly Breach[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const breaches: Breach[] = [];
  const report = (law: Law, node: ts.Node) => {
    if (exempt[law].some((pattern) => pattern.test(file))) return;
    breaches.push({ law, file, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1 });
  };
  const visit = (node: ts.Node): void => {
    for (const law of lawsBrokenBy(node)) report(law, node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  if (/(^|\/)(utils?|common|shared)(\/|\.[a-z.]+$)/.test(file)) report('named-rooms', source);
  return breaches;
}

function* lawsBrokenBy(node: ts.Node): Generator<Law> {
  if (isMember(node, 'process', 'env') || takesEnvironment(node)) yield 'environment';
  if (ts.isIdentifier(node) && node.text === 'console' && !isNameOfProperty(node)) yield 'console';
  if (isMember(node, 'Date', 'now') || makesDate(node)) yield 'clock';
  if ((ts.isIdentifier(node) && node.text === 'forwardRef') || isMember(node, 'Scope', 'REQUEST')) yield 'lazy-wiring';
  if (ts.isImportSpecifier(node) && importsHttpException(node)) yield 'http-exceptions';
}

const isMember = (node: ts.Node, object: string, name: string): boolean =>
  ts.isPropertyAccessExpression(node) && node.expression.getText() === object && node.name.text === name;

/** `const { env } = process` and `import { env } from 'node:process'`. */
function takesEnvironment(node: ts.Node): boolean {
  if (ts.isVariableDeclaration(node)) return node.initializer?.getText() === 'process';
  return ts.isImportDeclaration(node) && /^(node:)?process$/.test(moduleOf(node));
}

function makesDate(node: ts.Node): boolean {
  return (ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText() === 'Date';
}

function isNameOfProperty(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    (ts.isPropertyAccessExpression(parent) && parent.name === node && parent.expression.getText() !== 'globalThis') ||
    (ts.isPropertyAssignment(parent) && parent.name === node)
  );
}

function importsHttpException(node: ts.ImportSpecifier): boolean {
  const name = (node.propertyName ?? node.name).text;
  return /Exception$/.test(name) && moduleOf(node.parent.parent.parent) === '@nestjs/common';
}

const moduleOf = (node: ts.Node): string =>
  ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : '';
