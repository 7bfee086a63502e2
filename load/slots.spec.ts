import { type Place, placeAt, placesOf, type SlotPlan, strideOf } from './slots.js';

const plan: SlotPlan = { firstMin: 30_000_000, stepMin: 15, starts: 96, clinics: 3, triples: 4 };
const text = ({ startMin, clinic, triple }: Place) => `${startMin} ${clinic} ${triple}`;
const all = (side: 0 | 1) =>
  Array.from({ length: placesOf(plan) }, (_, i) => placeAt(plan, strideOf(plan), side, i)).map(text);

describe('the slots of a bench', () => {
  it('are visited once each, and the two sides share none', () => {
    const visited = [...all(0), ...all(1)];
    expect(new Set(visited).size).toBe(2 * 96 * 3 * 4);
  });

  it('lie on the grid, inside the range, at every clinic with every triple', () => {
    const places = Array.from({ length: placesOf(plan) }, (_, i) => placeAt(plan, strideOf(plan), 1, i));
    for (const { startMin } of places) {
      expect((startMin - plan.firstMin) % 30).toBe(15);
      expect(startMin).toBeLessThan(plan.firstMin + 96 * 30);
    }
    expect(new Set(places.map(({ clinic }) => clinic))).toEqual(new Set([0, 1, 2]));
    expect(new Set(places.map(({ triple }) => triple))).toEqual(new Set([0, 1, 2, 3]));
  });

  it('do not follow each other closely', () => {
    for (let i = 0; i < 200; i += 1) {
      const apartMin = Math.abs(
        placeAt(plan, strideOf(plan), 0, i).startMin - placeAt(plan, strideOf(plan), 0, i + 1).startMin,
      );
      expect(apartMin).toBeGreaterThan(24 * 30);
    }
  });
});
