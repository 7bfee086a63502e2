import { configDocuments, staleDocuments } from './config-docs.js';

describe('the configuration’s documents', () => {
  it('say what the slices say: run `npm run docs:config` after a change', () => {
    expect(staleDocuments()).toEqual([]);
  });

  it('name every variable in both', () => {
    const names = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((m) => m[1]).sort();
    const inExample = names(configDocuments['.env.example'] ?? '', /^(?:# )?([A-Z][A-Z0-9_<>n]*)=/gm);
    const inTable = names(configDocuments['docs/CONFIG.md'] ?? '', /^\| `([A-Z][A-Z0-9_<>n]*)`/gm);
    expect(inExample.length).toBeGreaterThan(40);
    expect(inExample).toEqual(inTable);
    expect(new Set(inExample).size).toBe(inExample.length);
  });
});
