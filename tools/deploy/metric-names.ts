/** A metric that an expression asks for, with the labels that it names beside it. */
export interface Asked {
  readonly name: string;
  readonly labels: readonly string[];
}

const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 'by', 'without', 'on', 'ignoring']);
const grouping = /\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const selector = /([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?(\s*\()?/g;

/** The metrics of an expression. Functions stand before a bracket, labels in braces and after `by`. */
export function metricsIn(expression: string): readonly Asked[] {
  const bare = expression
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(grouping, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\boffset\s+\w+/g, ' ');
  return [...bare.matchAll(selector)].flatMap(([, name = '', matchers, bracket]) =>
    bracket !== undefined || words.has(name) ? [] : [{ name, labels: matcherLabels(matchers) }],
  );
}

const matcherLabels = (matchers = ''): readonly string[] =>
  [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);

/** Labels that an expression groups by. */
export const groupedBy = (expression: string): readonly string[] =>
  [...expression.matchAll(grouping)].flatMap(([, how, labels = '']) =>
    how === 'by' ? labels.split(',').map((label) => label.trim()) : [],
  );
