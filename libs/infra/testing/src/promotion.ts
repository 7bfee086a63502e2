import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { serverAccount, stackHome } from './places.js';
import { postgresBinaries } from './postgres-binaries.js';
import type { PostgresServer } from './postgres-server.js';

const promotionTimeoutS = 30;

/** Makes a standby the primary with PostgreSQL's own `pg_ctl promote`; resolves when it writes. */
export async function promote({ dataDir }: PostgresServer): Promise<void> {
  const program = join(dirname(postgresBinaries(stackHome()).postgres), 'pg_ctl');
  await promisify(execFile)(program, ['promote', '-D', dataDir, '-w', '-t', String(promotionTimeoutS)], {
    cwd: dataDir,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    ...serverAccount(),
  });
}
