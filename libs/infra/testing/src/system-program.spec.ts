import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StackError } from './places.js';
import { type SystemProgramName, systemProgram } from './system-program.js';

/** `--simulate` names what is missing, `download` leaves an archive of that name; like the real one, it logs nothing else. */
const aptGet = `#!/bin/sh
echo "$@" >> "$(dirname "$0")/../asked"
case "$*" in
  *--simulate*) echo 'Inst liblua5.3-0 (5.3)'; echo 'Inst haproxy (2.6)' ;;
  *download*) for name; do case $name in haproxy|liblua5.3-0|prometheus) echo "$name" > "$name.deb" ;; esac; done ;;
esac
`;
const dpkg = `#!/bin/sh
[ "$1" = --version ] && exit 0
case "$2" in
  */haproxy.deb) mkdir -p "$3/usr/sbin"; printf '#!/bin/sh\\n' > "$3/usr/sbin/haproxy"; chmod 755 "$3/usr/sbin/haproxy" ;;
  */prometheus.deb) mkdir -p "$3/usr/bin"; printf '#!/bin/sh\\n' > "$3/usr/bin/promtool"; chmod 755 "$3/usr/bin/promtool" ;;
  *) mkdir -p "$3/usr/lib/x86" ;;
esac
`;

describe('a program of the system', () => {
  const path = process.env.PATH;
  let folder: string;
  let home: string;
  const notes: string[] = [];
  const get = (name: SystemProgramName) => systemProgram(name, home, (line) => notes.push(line), [join(folder, 'bin')]);
  const asked = (): string => (existsSync(join(folder, 'asked')) ? readFileSync(join(folder, 'asked'), 'utf8') : '');

  function put(name: string, text: string): string {
    const file = join(folder, 'bin', name);
    writeFileSync(file, text);
    chmodSync(file, 0o755);
    return file;
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'praxis-programs-'));
    home = join(folder, 'home');
    notes.length = 0;
    mkdirSync(join(folder, 'bin'));
    mkdirSync(home);
    put('apt-get', aptGet);
    put('dpkg', dpkg);
    process.env.PATH = `${join(folder, 'bin')}:/usr/bin:/bin`;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(folder, { recursive: true, force: true });
  });

  it('is the one on PATH where there is one, under any of its names', () => {
    const own = put('valkey-server', '#!/bin/sh\n');
    expect(get('redis')).toEqual({ program: own, libraryPath: undefined });
    expect(asked()).toBe('');
    expect(notes).toEqual([]);
  });

  it('is unpacked beside the libraries that it lacks, once, and nothing is installed', () => {
    const made = get('haproxy');
    expect(made.program).toBe(join(home, 'haproxy/usr/sbin/haproxy'));
    expect(made.libraryPath).toContain(join(home, 'haproxy/usr/lib/x86'));
    expect(asked()).toContain('download liblua5.3-0 haproxy');
    expect(asked().replaceAll('--simulate --no-install-recommends install', '')).not.toContain('install ');
    const before = asked();
    expect(get('haproxy')).toEqual(made);
    expect(asked()).toBe(before);
    expect(notes).toHaveLength(1);
    expect(readdirSync(home)).toEqual(['haproxy']);
  });

  it('comes without the package’s dependencies where it can do without them', () => {
    expect(get('promtool').program).toBe(join(home, 'prometheus/usr/bin/promtool'));
    expect(asked()).not.toContain('--simulate');
  });

  it('replaces what an interrupted unpacking left', () => {
    mkdirSync(join(home, 'haproxy/usr/share'), { recursive: true });
    expect(get('haproxy').program).toBe(join(home, 'haproxy/usr/sbin/haproxy'));
    expect(readdirSync(home)).toEqual(['haproxy']);
  });

  it('is left alone when another process has unpacked it meanwhile, since that one may be running', () => {
    const rival = join(home, 'haproxy');
    const meanwhile = `mkdir -p ${rival}/usr/sbin; cp "$0" ${rival}/usr/sbin/haproxy; touch ${rival}/running\n`;
    put('dpkg', `${dpkg}${meanwhile}`);
    expect(get('haproxy').program).toBe(join(rival, 'usr/sbin/haproxy'));
    expect(existsSync(join(rival, 'running'))).toBe(true);
    expect(readdirSync(home)).toEqual(['haproxy']);
  });

  it('that cannot be fetched, is asked for with the line to type', () => {
    put('apt-get', '#!/bin/sh\n[ "$1" = --version ] && exit 0\nexit 100\n');
    expect(() => get('haproxy')).toThrow(StackError);
    expect(() => get('haproxy')).toThrow('sudo apt-get update && sudo apt-get install haproxy');
    expect(() => get('redis')).toThrow('Redis 7 or newer, or Valkey is needed');
    expect(readdirSync(home)).toEqual([]);
  });
});
