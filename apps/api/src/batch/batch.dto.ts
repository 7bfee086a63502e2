import { z } from 'zod';

export const partsMax = 20;
const pathMaxLength = 2_048;
const headerMaxLength = 2_048;

const path = z
  .string()
  .max(pathMaxLength)
  .regex(/^\/api\/v1\/(?!(?:auth|batch)(?:[/?]|$))[a-z][a-z-]*(?:[/?][!-~]*)?$/)
  .refine(isPlain, { message: 'must be the path of an operation below /api/v1, other than auth and batch' });

/** Without dots that lead elsewhere, and in letters that mean themselves. */
function isPlain(given: string): boolean {
  const url = URL.parse(given, 'http://localhost');
  return url !== null && `${url.pathname}${url.search}` === given;
}

const header = z
  .string()
  .max(headerMaxLength)
  .regex(/^[ -~]*$/)
  .optional();

const part = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  path,
  headers: z.strictObject({ 'idempotency-key': header, 'if-match': header, 'x-consistency-token': header }).optional(),
  body: z.unknown().optional().meta({ description: 'JSON, as the operation takes it' }),
});

export const batch = z.strictObject({ requests: z.array(part).min(1).max(partsMax) });

export const batchAnswer = z.strictObject({
  responses: z.array(
    z.strictObject({
      status: z.int(),
      headers: z.record(z.string(), z.string()),
      body: z
        .unknown()
        .meta({ description: 'what the operation answered, a problem included; null where it answers nothing' }),
    }),
  ),
});
