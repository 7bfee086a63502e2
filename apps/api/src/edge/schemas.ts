import { z } from 'zod';
import { type Id, type Instant, toDate } from '#infra/kernel';
import { type LocalDate, parseInstant, parseLocalDate } from '#infra/time';

type NounOf<T> = T extends Id<infer Noun> ? Noun : never;

const earliest = '1900-01-01';
const tooLate = '2200-01-01';
const earliestMs = parseInstant(`${earliest}T00:00:00Z`) ?? 0;
const tooLateMs = parseInstant(`${tooLate}T00:00:00Z`) ?? 0;

// Control characters are refused everywhere: PostgreSQL stores no NUL, and the others only deceive readers.
// biome-ignore lint/suspicious/noControlCharactersInRegex: naming them is the point
const controlInLine = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: naming them is the point
const controlInProse = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

/** A uuid that names one `noun`, in either case: RFC 9562 writes it in lower case, and so does everything behind the edge; the document marks it with `x-id-of`, by which tests find every id. */
export const idOf = <T extends Id<string>>(noun: NounOf<T>): z.ZodType<T, string> =>
  z.uuid().toLowerCase().meta({ 'x-id-of': noun }) as unknown as z.ZodType<T, string>;

/** RFC 3339 with an offset, from 1900 to 2199, read as milliseconds since 1970. */
export const instant: z.ZodType<Instant, string> = z
  .string()
  .max(40)
  .meta({ format: 'date-time' })
  .transform((text, check) => {
    const read = parseInstant(text);
    if (read !== undefined && read >= earliestMs && read < tooLateMs) return read;
    return refuse(check, 'must be an RFC 3339 instant with its offset, from 1900 to 2199');
  });

/** The same in an answer: text. */
export const instantText = z.iso.datetime({ offset: true });

/** When something happened, to the millisecond, in UTC. */
export const utcText = (at: Instant): string => toDate(at).toISOString();

/** A day in a place's own calendar, `YYYY-MM-DD`, from 1900 to 2199; in an answer too. */
export const localDate: z.ZodType<LocalDate, string> = z
  .string()
  .max(10)
  .transform((text, check) => {
    const read = parseLocalDate(text);
    if (read !== undefined && read >= earliest && read < tooLate) return read;
    return refuse(check, 'must be an existing day, YYYY-MM-DD, from 1900 to 2199');
  })
  .meta({ type: 'string', format: 'date' });

/** One line of text, trimmed, well-formed Unicode without control characters; 1…`most` UTF-16 units. */
export const line = (most: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(most)
    .refine((text) => text.isWellFormed() && !controlInLine.test(text), { message: 'must be one line of plain text' });

/** Text that may have line breaks and tabs, at most `most` UTF-16 units. */
export const prose = (most: number) =>
  z
    .string()
    .max(most)
    .refine((text) => text.isWellFormed() && !controlInProse.test(text), { message: 'must be plain text' });

/** At most 254 characters (RFC 5321), lower-cased: one address, one account. */
export const emailAddress = z.string().trim().toLowerCase().max(254).pipe(z.email());

/** ISO 4217, three capitals. */
export const currency = z.string().regex(/^[A-Z]{3}$/);

/** Integer minor units with their currency; never a fraction. */
export const money = z.strictObject({ amountMinor: z.int(), currency });

/** The version that an entity's ETag shows. */
export const versionNumber = z.int().min(1);

/** How many items a page has, and how many it may have: by how large an item is and how many there are. */
export const pageSizes = {
  small: { usual: 10, most: 25 },
  medium: { usual: 25, most: 100 },
  large: { usual: 50, most: 250 },
  xlarge: { usual: 100, most: 1_000 },
} as const;
export type PageSize = keyof typeof pageSizes;
/** A page by number ends here: what lies deeper is reached by cursors, which cost the same at any depth. */
export const numberedRowsMax = 10_000;
export const numberedRowsEnd = 'ends at row 10,000: use cursor';
/** A sealed cursor is about 300 characters; what is longer never came from here. */
export const cursorMaxLength = 2048;

const sizeOfList = new WeakMap<object, PageSize>();
/** The size that `listQuery` was given. */
export const pageSizeOf = (query: object): PageSize | undefined => sizeOfList.get(query);

/**
 * The query of a list: `limit`, at most what its size allows; a `cursor` from another of its pages or `page` from 1, not
 * both, and with `page` no row beyond the ten-thousandth, and `count=true` for the total; and the list's own filters.
 */
export function listQuery<Filters extends z.core.$ZodLooseShape>(filters: Filters, size: PageSize = 'medium') {
  const { usual, most } = pageSizes[size];
  const query = z
    .strictObject({
      limit: z.coerce.number().int().min(1).max(most).default(usual),
      cursor: z.string().max(cursorMaxLength).optional(),
      page: z.coerce.number().int().min(1).max(numberedRowsMax).optional(),
      count: z.enum(['true', 'false']).optional(),
      ...filters,
    })
    .superRefine((asked, check) => {
      const { limit, cursor, page, count } = asked as { limit: number; cursor?: string; page?: number; count?: string };
      const refuse = (path: string, message: string) => check.addIssue({ code: 'custom', path: [path], message });
      if (page === undefined && count === 'true') refuse('count', 'goes with a page');
      if (page === undefined) return;
      if (cursor !== undefined) refuse('page', 'goes without a cursor');
      if (page * limit > numberedRowsMax) refuse('page', numberedRowsEnd);
    });
  sizeOfList.set(query, size);
  return query;
}

const cursorPage = z.strictObject({
  limit: z.int(),
  nextCursor: z.string().nullable().meta({ description: 'null on the last page; good for an hour' }),
  prevCursor: z.string().nullable().meta({ description: 'null on the first page' }),
});
const numberedPage = z.strictObject({
  page: z.int(),
  limit: z.int(),
  total: z.int().optional().meta({ description: 'with count=true' }),
  totalIsEstimate: z.boolean().optional().meta({ description: 'exact to 100,000 rows, a good guess beyond' }),
  pages: z.int().optional().meta({ description: 'with count=true; those beyond row 10,000 are reached by cursors' }),
});
export type PageAnswer = z.input<typeof cursorPage> | z.input<typeof numberedPage>;

/** The answer of a list: one page, and where in the list it stands, by cursors or, where `page` was asked for, by number. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({ data: z.array(item), page: z.union([cursorPage, numberedPage]) });

/** The answer of what has few items by its nature or a limit of its own, and no pages. */
export const allOf = <Item extends z.ZodType>(item: Item) => z.strictObject({ data: z.array(item) });

function refuse(check: z.core.$RefinementCtx<string>, message: string) {
  check.issues.push({ code: 'custom', message, input: check.value });
  return z.NEVER;
}
