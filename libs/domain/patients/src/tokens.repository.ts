import { newId } from '#infra/kernel';
import type { ReadContext, WriteContext } from '#infra/sharding';
import type { PatientId } from './patient.js';

/** A token as its row has it. */
export interface TokenRow {
  readonly kind: number;
  /** 16 bytes. */
  readonly token: Buffer;
}

/** A token that a search looks for. */
export interface WantedToken extends TokenRow {
  /** Tokens of one criterion are alternatives. */
  readonly criterion: number;
  /** Whoever has more of it comes first. */
  readonly weight: number;
}

/** Every statement about the blind indexes. */
export class TokensRepository {
  insert(tx: WriteContext, id: PatientId, tokens: readonly TokenRow[]): void {
    tx.db.send(
      `insert into patient_token (tenant_id, id, patient_id, kind, token)
       select $1, t.id, $2, t.kind, t.token from unnest($3::uuid[], $4::smallint[], $5::bytea[]) as t (id, kind, token)`,
      [tx.tenant.id, id, tokens.map(() => newId()), tokens.map(({ kind }) => kind), tokens.map(({ token }) => token)],
    );
  }

  replace(tx: WriteContext, id: PatientId, tokens: readonly TokenRow[]): void {
    tx.db.send('delete from patient_token where tenant_id = $1 and patient_id = $2', [tx.tenant.id, id]);
    this.insert(tx, id, tokens);
  }

  /** Patients who meet at least `atLeast` of the criteria, those with the most weight first, then the oldest. */
  async find(
    tx: ReadContext,
    wanted: readonly WantedToken[],
    atLeast: number,
    most: number,
  ): Promise<readonly PatientId[]> {
    const rows = await tx.db.query<{ id: PatientId }>(
      `select t.patient_id as id
         from unnest($2::int[], $3::smallint[], $4::bytea[], $5::int[]) as w (criterion, kind, token, weight)
         join patient_token t on t.tenant_id = $1 and t.kind = w.kind and t.token = w.token
        group by t.patient_id having count(distinct w.criterion) >= $6
        order by sum(w.weight) desc, t.patient_id limit $7`,
      [
        tx.tenant.id,
        wanted.map(({ criterion }) => criterion),
        wanted.map(({ kind }) => kind),
        wanted.map(({ token }) => token),
        wanted.map(({ weight }) => weight),
        atLeast,
        most,
      ],
    );
    return rows.map(({ id }) => id);
  }

  /** Until the transaction ends, nobody else registers somebody who shares one of these tokens. */
  lock(tx: WriteContext, tokens: readonly TokenRow[]): void {
    const keys = [...new Set(tokens.map(({ token }) => token.readBigInt64BE()))];
    const inOrder = keys.sort((a, b) => (a < b ? -1 : 1)).map(String);
    tx.db.send('select pg_advisory_xact_lock(k) from unnest($1::bigint[]) with ordinality as l (k, n) order by n', [
      inOrder,
    ]);
  }
}
