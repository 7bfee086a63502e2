import { fail } from './edge.errors.js';

/** Deeper documents are no input of ours, and would exhaust the stack of anything that walks them. */
const maxDepth = 32;

/** JSON text in which equal values are equal text: properties sorted, no spaces (the order rule of RFC 8785). */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > maxDepth)
    throw fail('request.invalid', { mistakes: [{ pointer: '', detail: `is nested deeper than ${maxDepth} levels` }] });
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member, depth + 1)}`).join(',')}}`;
}
