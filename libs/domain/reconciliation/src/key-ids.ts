/** Bytes of a safe integer that tell it from all others: four of its lower word, three of its upper. */
const keyBytes = 7;
/** Tabulation hashing with tables of this process: nobody outside can choose numbers that fall into one place. */
const tables = crypto.getRandomValues(new Uint32Array(keyBytes * 256));
const entry = (byte: number, value: number): number => tables[(byte << 8) | (value & 0xff)] ?? 0;

function hashOf(key: number): number {
  const low = key | 0;
  const high = Math.floor(key / 0x1_0000_0000);
  return (
    entry(0, low) ^
    entry(1, low >>> 8) ^
    entry(2, low >>> 16) ^
    entry(3, low >>> 24) ^
    entry(4, high) ^
    entry(5, high >> 8) ^
    entry(6, high >> 16)
  );
}

/** Small ids, from 1 in the order of first appearance, for at most `capacity` different safe integers. Never grows. */
export class NumberIds {
  private readonly keys: Float64Array;
  private readonly ids: Int32Array;
  private readonly mask: number;
  private count = 0;

  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(2 * capacity + 2));
    this.keys = new Float64Array(slots);
    this.ids = new Int32Array(slots);
    this.mask = slots - 1;
  }

  get size(): number {
    return this.count;
  }

  clear(): void {
    this.ids.fill(0);
    this.count = 0;
  }

  idOf(key: number): number {
    const { keys, ids, mask } = this;
    let slot = hashOf(key) & mask;
    for (let id = ids[slot] ?? 0; id !== 0; id = ids[slot] ?? 0) {
      if (keys[slot] === key) return id;
      slot = (slot + 1) & mask;
    }
    this.count += 1;
    keys[slot] = key;
    ids[slot] = this.count;
    return this.count;
  }
}

/** Small ids, from 1 in the order of first appearance. */
export class TextIds {
  private readonly ids = new Map<string, number>();

  idOf(text: string): number {
    const known = this.ids.get(text);
    if (known !== undefined) return known;
    this.ids.set(text, this.ids.size + 1);
    return this.ids.size;
  }
}
