/** A mistake of the person at the keyboard: printed as one sentence, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Command {
  /** `tenants create` */
  readonly words: string;
  readonly usage: string;
  readonly summary: string;
  run(args: readonly string[]): Promise<void>;
}

/** The command whose words begin the arguments, and what is left of them. */
export function findCommand(
  commands: readonly Command[],
  args: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } | undefined {
  for (const command of commands) {
    const words = command.words.split(' ');
    if (words.every((word, n) => args[n] === word)) return { command, rest: args.slice(words.length) };
  }
  return undefined;
}

export const helpText = (commands: readonly Command[]): string =>
  ['praxis: the operator’s verbs', ...commands.map((c) => `  praxis ${c.usage}\n      ${c.summary}`), ''].join('\n\n');
