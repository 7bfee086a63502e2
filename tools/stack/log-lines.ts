const colours = { debug: 90, info: 32, warn: 33, error: 31 } as const;
/** Fields that the line shows in other ways, or that say the same on every line of an app. */
const hidden = /^(@timestamp|message|log\.level|app|version|service\..+|process\.pid|error\.stack_trace)$/;
/** What a call was, in the order of reading, each with its unit. */
const callFields: Readonly<Record<string, string>> = {
  'http.request.method': '',
  'http.route': '',
  'http.response.status_code': '',
  'event.duration_ms': ' ms',
};
const shortNames: Readonly<Record<string, string>> = {
  'http.request.id': 'request',
  'organization.id': 'tenant',
  'user.id': 'user',
};
const maxLineLength = 400;
const indent = ' '.repeat(21);

type Fields = Readonly<Record<string, unknown>>;

/** `10:32:07.120 api     info  request.done POST /api/v1/appointments 201 87.25 ms tenant=…`: what an app wrote as JSON, for reading. */
export function readableLine(app: string, line: string, coloured: boolean): string {
  const fields = parse(line);
  if (fields === undefined) return `${' '.repeat(12)} ${app.padEnd(7)} ${line}`;
  const level = String(fields['log.level'] ?? 'info');
  const time = String(fields['@timestamp'] ?? '').slice(11, 23);
  const rest = Object.entries(fields)
    .filter(([name]) => !hidden.test(name) && !(name in callFields))
    .map(([name, value]) => `${shortNames[name] ?? name.replace(/^praxis\./, '')}=${shown(value)}`);
  const text = shorten([String(fields.message ?? ''), ...callOf(fields), ...rest].join(' '));
  return `${time.padEnd(12)} ${app.padEnd(7)} ${paint(level, coloured)} ${text}${stackOf(fields)}`;
}

/** `GET /api/v1/services 200 18.81 ms` */
function callOf(fields: Fields): readonly string[] {
  return Object.entries(callFields)
    .filter(([name]) => fields[name] !== undefined)
    .map(([name, unit]) => `${shown(fields[name])}${unit}`);
}

/** A message that quotes an app's last lines. */
export const readableText = (text: string): string =>
  text
    .split('\n')
    .map((line) => (line.startsWith('{') ? readableLine('', line, false) : line))
    .join('\n');

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function stackOf(fields: Fields): string {
  const trace = fields['error.stack_trace'];
  if (typeof trace !== 'string') return '';
  return trace
    .split('\n')
    .map((line) => `\n${indent}${line.trim()}`)
    .join('');
}

function parse(line: string): Fields | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Fields;
  } catch {
    return undefined;
  }
}

function paint(level: string, coloured: boolean): string {
  const word = level.padEnd(5);
  const colour = colours[level as keyof typeof colours];
  return coloured && colour !== undefined ? `\u001b[${colour}m${word}\u001b[0m` : word;
}

const shorten = (text: string): string => (text.length > maxLineLength ? `${text.slice(0, maxLineLength)} …` : text);

/** The apps' lines wait until the banner stands, so that it is read in one piece. */
export class HeldBackLogs {
  #held: string[] | undefined = [];
  readonly #coloured = process.stdout.isTTY === true && !process.env.NO_COLOR;

  hear(app: string, line: string): void {
    const readable = readableLine(app, line, this.#coloured);
    if (this.#held === undefined) console.log(readable);
    else this.#held.push(readable);
  }

  release(): void {
    for (const line of this.#held ?? []) console.log(line);
    this.#held = undefined;
  }
}
