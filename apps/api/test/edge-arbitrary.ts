import fc from 'fast-check';

export interface JsonSchema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
}

const mostItems = 4;

/** Mostly what the schema asks for, now and then something else in its place: both sides of every check are met. */
export function fromSchema(schema: JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: right(schema) }, { weight: 1, arbitrary: anything });
}

const anything = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\u0000', '\ud800', '', -1, 1e308, null, [], {}),
);

function right(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(fromSchema));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'object':
      return objects(schema);
    case 'array':
      return fc.array(fromSchema(schema.items ?? {}), { maxLength: mostItems });
    case 'integer':
    case 'number':
      return numbers(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'string':
      return strings(schema.format);
    default:
      return anything;
  }
}

function objects({ properties = {}, required = [] }: JsonSchema): fc.Arbitrary<unknown> {
  const members = Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, fromSchema(schema)]));
  return fc.record(members, { requiredKeys: required.filter((name) => name in members) });
}

const numbers = ({ minimum, maximum }: JsonSchema): fc.Arbitrary<unknown> =>
  fc.oneof(fc.integer({ min: minimum ?? -1_000, max: Math.max(minimum ?? 0, maximum ?? 1_000) }), fc.double());

function strings(format: string | undefined): fc.Arbitrary<string> {
  switch (format) {
    case 'uuid':
      return fc.uuid();
    case 'date-time':
      return fc.date({ noInvalidDate: true }).map((date) => date.toJSON());
    case 'date':
      return fc.date({ noInvalidDate: true }).map((date) => date.toJSON().slice(0, 10));
    case 'email':
      return fc.emailAddress();
    default:
      return fc.oneof(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.constantFrom('America/Vancouver', '09:00', '17:30', '24:00', 'CAD', 'Room 1'),
      );
  }
}
