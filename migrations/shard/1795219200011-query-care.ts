import type { MigrationInterface, QueryRunner } from 'typeorm';
import { addQueryCare } from '../query-care.js';

export class QueryCare1795219200011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await addQueryCare(runner);
  }

  /** Others may use what was there before. */
  async down(): Promise<void> {}
}
