export type Encoding = 'br' | 'gzip' | 'identity';

/** Where a client likes several alike. */
const preferred = ['br', 'gzip', 'identity'] as const satisfies readonly Encoding[];
/** Longer lists are read to here. */
const codingsMax = 20;
/** Nobody has to name it, and whatever is named goes before it. */
const unnamedIdentity = 0.0001;

/** The best of what Accept-Encoding allows (RFC 9110, 12.5.3); `identity` where it allows none. */
export function encodingFor(accepted: string | undefined): Encoding {
  const weights = weightsOf(accepted ?? '');
  const weightOf = (coding: Encoding): number =>
    weights.get(coding) ?? (coding === 'identity' ? unnamedIdentity : (weights.get('*') ?? 0));
  const [best = 'identity'] = preferred
    .filter((coding) => weightOf(coding) > 0)
    .sort((one, other) => weightOf(other) - weightOf(one));
  return best;
}

function weightsOf(accepted: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const part of accepted.toLowerCase().split(',', codingsMax)) {
    const [coding = '', ...parameters] = part.split(';').map((each) => each.trim());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    weights.set(coding, weight >= 0 && weight <= 1 ? weight : 0);
  }
  return weights;
}
