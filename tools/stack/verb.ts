import { parseArgs } from 'node:util';

/** What was asked for after `praxis stack`. */
export type StackVerb =
  | {
      readonly verb: 'up';
      readonly apis: number;
      readonly gateways: number;
      readonly workers: number;
      readonly redisCluster: boolean;
    }
  | { readonly verb: 'status' | 'down' };

export class StackUsageError extends Error {
  override readonly name = 'StackUsageError';
}

const processesMax = 8;

export const stackUsage = `praxis stack up [--apis 2] [--gateways 2] [--workers 1] [--redis-cluster]
      the whole product on this machine, behind HAProxy, until Ctrl-C or \`stack down\`
  praxis stack status
      what of it runs, and whether it is ready
  praxis stack down
      drains it and stops its servers, from any terminal`;

/** Throws a StackUsageError with what is wrong. */
export function stackVerb(args: readonly string[]): StackVerb {
  const [verb, ...rest] = args;
  if ((verb === 'status' || verb === 'down') && rest.length === 0) return { verb };
  if (verb === 'up') return { verb, ...sizes(rest) };
  throw new StackUsageError(`praxis stack ${args.join(' ')}`.trim());
}

function sizes(args: readonly string[]) {
  const { values } = parsed(args);
  return {
    apis: count('--apis', values.apis, 2, 1),
    gateways: count('--gateways', values.gateways, 2, 0),
    workers: count('--workers', values.workers, 1, 0),
    redisCluster: values['redis-cluster'] ?? false,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        apis: { type: 'string' },
        gateways: { type: 'string' },
        workers: { type: 'string' },
        'redis-cluster': { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new StackUsageError(error instanceof Error ? error.message : String(error));
  }
}

function count(option: string, text: string | undefined, usual: number, least: number): number {
  if (text === undefined) return usual;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > processesMax)
    throw new StackUsageError(`${option} must be a whole number from ${least} to ${processesMax}`);
  return value;
}
