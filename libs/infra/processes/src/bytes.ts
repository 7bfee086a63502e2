const unitBytes = { KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 } as const;
const pattern = /^(\d{1,6}(?:\.\d{1,3})?)\s?(KB|MB|GB)$/i;

/** `2GB`, `512MB`, `1.5 gb`: units of 1,024. Undefined for anything else. */
export function bytesOf(text: string): number | undefined {
  const [, amount, unit] = pattern.exec(text) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  return Math.floor(Number(amount) * unitBytes[unit.toUpperCase() as keyof typeof unitBytes]);
}
