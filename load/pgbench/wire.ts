/** Frontend and backend messages of PostgreSQL's protocol 3, as far as a recording needs them. */

/** Null: SQL NULL. Bytes: sent in binary form. */
export type Parameter = string | Buffer | null;

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

export interface Message {
  /** One letter, '' for the start-up message. */
  readonly type: string;
  readonly body: Buffer;
}

const binary = 1;

/** Cuts a stream of bytes into messages. */
export class MessageReader {
  #rest: Buffer = Buffer.alloc(0);

  /** `untyped`: the stream begins with a start-up message, which has no type byte. */
  constructor(private untyped: boolean) {}

  read(chunk: Buffer): readonly Message[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Message[] = [];
    for (;;) {
      const typeLength = this.untyped ? 0 : 1;
      if (this.#rest.length < typeLength + 4) return messages;
      const end = typeLength + this.#rest.readInt32BE(typeLength);
      if (this.#rest.length < end) return messages;
      const type = this.#rest.toString('latin1', 0, typeLength);
      messages.push({ type, body: this.#rest.subarray(typeLength + 4, end) });
      this.#rest = this.#rest.subarray(end);
      this.untyped = false;
    }
  }
}

/** What a client asks one connection to run. */
export class StatementReader {
  readonly #texts = new Map<string, string>();
  #bound: Statement = { sql: '', parameters: [] };

  /** A statement when this message runs one. */
  read({ type, body }: Message): Statement | undefined {
    const fields = new Fields(body);
    if (type === 'Q') return { sql: fields.text(), parameters: [] };
    if (type === 'E') return this.#bound;
    if (type === 'P') this.#texts.set(fields.text(), fields.text());
    if (type === 'B') this.#bind(fields);
    return undefined;
  }

  #bind(fields: Fields): void {
    fields.text();
    const sql = this.#texts.get(fields.text()) ?? '';
    const formats = Array.from({ length: fields.int16() }, () => fields.int16());
    const parameters = Array.from({ length: fields.int16() }, (_, n) => {
      const bytes = fields.bytes(fields.int32());
      const format = formats.length === 1 ? formats[0] : formats[n];
      return bytes === null || format === binary ? bytes : bytes.toString('utf8');
    });
    this.#bound = { sql, parameters };
  }
}

/** Names and values of the start-up message, after its protocol number. */
export function readStartup({ body }: Message): ReadonlyMap<string, string> {
  const words = body.toString('utf8', 4).split('\0');
  const settings = new Map<string, string>();
  for (let n = 0; n + 1 < words.length && words[n] !== ''; n += 2) settings.set(words[n] ?? '', words[n + 1] ?? '');
  return settings;
}

class Fields {
  #at = 0;
  constructor(private readonly body: Buffer) {}

  text(): string {
    const end = this.body.indexOf(0, this.#at);
    const text = this.body.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  int16(): number {
    this.#at += 2;
    return this.body.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.body.readInt32BE(this.#at - 4);
  }

  /** Null for length −1. */
  bytes(length: number): Buffer | null {
    if (length < 0) return null;
    this.#at += length;
    return Buffer.from(this.body.subarray(this.#at - length, this.#at));
  }
}
