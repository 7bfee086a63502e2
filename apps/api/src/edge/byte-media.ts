/** What a route may receive as bytes instead of JSON. */
export const byteMediaTypes = { csv: 'text/csv' } as const;
export type ByteMedia = keyof typeof byteMediaTypes;
