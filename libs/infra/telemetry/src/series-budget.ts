type Labels = Readonly<Record<string, string>>;

const maxLabelLength = 120;

interface Making<Series, Other> {
  readonly size: number;
  readonly make: (labels: Labels) => Series;
  readonly refused: Other;
}

/**
 * Bounds how many time series this process holds, since each costs memory here and in Prometheus and an 8 MB registry
 * stops the event loop for a second. A label set that no longer fits is dropped; the first refusal is reported.
 */
export class SeriesBudget {
  private used = 0;
  private refused = false;

  constructor(
    private readonly max: number,
    private readonly onFirstRefusal: (metric: string) => void,
  ) {}

  /** Finds or makes the series of a label set; `refused` where it does not fit. `size` is what one costs. */
  series<Series extends Other, Other>(
    metric: string,
    labelNames: readonly string[],
    { size, make, refused }: Making<Series, Other>,
  ): (labels: Labels) => Series | Other {
    const known = new Map<string, Series>();
    return (labels) => {
      let key = '';
      for (const name of labelNames) key += `${labels[name] ?? ''}\u0000`;
      const existing = known.get(key);
      if (existing !== undefined) return existing;
      const values = labelNames.map((name) => [name, String(labels[name] ?? '').slice(0, maxLabelLength)] as const);
      const shortened = values.map(([, value]) => `${value}\u0000`).join('');
      const same = known.get(shortened);
      if (same !== undefined) return same;
      if (!this.take(metric, size)) return refused;
      const made = make(Object.fromEntries(values));
      known.set(shortened, made);
      return made;
    };
  }

  /** For a metric that is rebuilt as a whole: whether `count` series fit in place of the ones it held before. */
  batch(metric: string): (count: number) => boolean {
    let held = 0;
    return (count) => {
      this.used -= held;
      held = this.take(metric, count) ? count : 0;
      return held === count;
    };
  }

  private take(metric: string, size: number): boolean {
    if (this.used + size <= this.max) {
      this.used += size;
      return true;
    }
    if (!this.refused) this.onFirstRefusal(metric);
    this.refused = true;
    return false;
  }
}
