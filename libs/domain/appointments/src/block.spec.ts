import { newId } from '#infra/kernel';
import { piecesOf } from './block.js';
import type { ResourceId } from './resource.js';

const room = newId<ResourceId>();
const block = (startMin: number, endMin: number) => ({ reason: 'maintenance', startMin, endMin }) as const;

describe('the time that a block takes', () => {
  it('is one piece on each lane when it is at most a day', () => {
    expect(piecesOf(room, [1, 2], block(600, 2_040))).toEqual([
      { resourceId: room, lane: 1, startMin: 600, endMin: 2_040 },
      { resourceId: room, lane: 2, startMin: 600, endMin: 2_040 },
    ]);
  });

  it('is cut into days without a gap or an overlap', () => {
    const pieces = piecesOf(room, [1], block(100, 100 + 3 * 1_440 + 1));
    expect(pieces.map(({ startMin, endMin }) => endMin - startMin)).toEqual([1_440, 1_440, 1_440, 1]);
    expect(pieces.slice(1).map(({ startMin }) => startMin)).toEqual(pieces.slice(0, -1).map(({ endMin }) => endMin));
    expect(pieces.at(-1)?.endMin).toBe(100 + 3 * 1_440 + 1);
  });
});
