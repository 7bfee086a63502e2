import { createLog } from '../src/log.js';

/** `node talking-process.js <lines> <ending>`: writes its lines without a pause, and ends at once. */
const [lines = '0', ending] = process.argv.slice(2);
const log = createLog({ level: 'info', service: 'test' }, { app: 'test' });
const said = log.prepared('line.said', {}, ['count']);
for (let count = 1; count <= Number(lines); count += 1) said({ count });
if (ending === 'stays') {
  process.stderr.write('still here');
  process.stdin.resume();
}
if (ending === 'exits') process.exit(0);
if (ending === 'throws') throw new Error('over');
