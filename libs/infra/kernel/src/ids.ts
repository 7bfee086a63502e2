import { v7, validate } from 'uuid';

declare const brand: unique symbol;
/** A uuid that only code speaking of the same noun accepts. Ids are UUIDv7 made by the app: sortable, never secrets. */
export type Id<Noun extends string> = string & { readonly [brand]: Noun };

export type TenantId = Id<'tenant'>;
export type UserId = Id<'user'>;
export type SessionId = Id<'session'>;

/** A fresh UUIDv7 (RFC 9562); milliseconds come from the process's clock and order ids roughly by creation. */
export const newId = <T extends string>(): T => v7() as T;

/** True for any uuid in its canonical text form. */
export const isId = (text: string): boolean => validate(text);
