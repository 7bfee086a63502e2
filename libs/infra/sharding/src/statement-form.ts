/** Throws for what has no JSON form. Left to pg, that fails once the statement is on the wire and spoils its name. */
export const writable = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(writable);
  const json = typeof value === 'object' && value !== null && !(value instanceof Date) && !ArrayBuffer.isView(value);
  return json ? JSON.stringify(value) : value;
};

const namesMax = 1_000;
const names = new Map<string, string>();

/** Prepared-statement name of a text, the same in every connection of the process; texts beyond the limit go unnamed. */
export function nameOf(sql: string): string | undefined {
  const known = names.get(sql);
  if (known !== undefined || names.size >= namesMax) return known;
  const name = `p${names.size + 1}`;
  names.set(sql, name);
  return name;
}
