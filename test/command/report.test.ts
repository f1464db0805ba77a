// The report command on logs and exports: what it prints, what it refuses, and that nothing is reported of a log that
// does not hold.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { openLog, type TestLog } from '../ledger/log.ts';
import { AGENT, type Bought, bought } from '../report/receipts.ts';
import { run } from './support.ts';

let log: TestLog;
let config: string;

beforeEach(() => {
  log = openLog();
  config = configOf(log, 'Europe/Berlin');
});

function configOf({ dir }: TestLog, timeZone: string): string {
  const file = join(dir, 'config.yaml');
  const accounting = `accounting: { currency: USD, timeZone: ${timeZone} }`;
  writeFileSync(file, `${accounting}\nidentity: { development: true }\nstate: { dir: ${dir} }\n`);
  return file;
}

const report = (...args: string[]) => run(['report', ...args, '--config', config]);

function seal(at: string, ...entries: Bought[]): void {
  for (const entry of entries) {
    log.now = Date.parse(at);
    log.seal(bought({ log: log.reader.log, ...entry }));
  }
}

function paid(n: number, amount = '0.010000', more: Partial<Bought> = {}): Bought[] {
  return [
    { ...more, kind: 'intended', n, amount },
    { ...more, kind: 'settled', n, amount },
  ];
}

interface Printed {
  rows: { group: Record<string, string | null>; settled: string; uncertain: string }[];
  total: Record<string, string | number | null>;
  notes: string[];
  logs: { log: string; first: number; last: number; hash: string }[];
}

async function json(...args: string[]): Promise<Printed> {
  const { code, out, err } = await report(...args, '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
}

/** Exports the log, or a part of it, and says where. */
function exported(of = log, range?: { first: number; last: number }): string {
  const file = join(mkdtempSync(join(tmpdir(), 'purser-export-')), 'log.jsonl');
  writeFileSync(
    file,
    of
      .lines(range)
      .map((line) => `${line}\n`)
      .join(''),
  );
  return file;
}

function keysOf(of = log): string {
  const file = join(mkdtempSync(join(tmpdir(), 'purser-keys-')), 'keys.json');
  writeFileSync(file, JSON.stringify(of.jwks()));
  return file;
}

test('a table for people: groups, total, where it comes from and what holds of it', async () => {
  seal('2026-11-23T10:00:00Z', ...paid(1, '0.250000'), ...paid(2, '0.500001'), { kind: 'intended', n: 3 });
  const { code, out, err } = await report('--month', '2026-11', '--by', 'team,label.costCenter', '--chart');
  expect([code, err]).toEqual([0, '']);
  const cells = out.split('\n').map((line) => line.split(/ {2,}/));
  expect(cells[2]).toEqual([
    'TEAM',
    'LABEL.COSTCENTER',
    ...'SETTLED|SETTLED FEES|PAYMENTS|UNCERTAIN'.split('|'),
    ...'UNCERTAIN FEES|UNCERTAIN PAYMENTS|AVERAGE|LARGEST'.split('|'),
  ]);
  const figures = ['0.750001', '0.000000', '2', '0.010000', '0.000000', '1', '0.375001', '0.500001'];
  expect(cells[3]).toEqual(['research', '4711', ...figures]);
  expect(cells[4]).toEqual(['total', ...figures]);
  expect(out).toMatch(/^research \/ 4711 +█+░ 0\.750001 \+ 0\.010000 uncertain$/m);
  expect(out).toContain(
    `From log ${log.reader.log}, seq 1 to 5 (last hash ${log.reader.head().hash}): an unbroken hash`,
  );
  expect(out).toContain('Note: uncertain payments: 1,');
});

test('months are those of the accounting time zone, and stand for the moment the money was held', async () => {
  seal('2026-10-31T22:59:59.999Z', ...paid(1, '1.000000'));
  seal('2026-10-31T23:00:00.000Z', ...paid(2, '2.000000'));
  seal('2026-11-30T22:59:59.999Z', { kind: 'intended', n: 3, amount: '4.000000' });
  seal('2026-12-24T00:00:00.000Z', { kind: 'settled', n: 3, amount: '4.000000' });
  const windows = ['2026-10-31T23:00:00.000Z'];
  seal('2026-11-30T23:00:00.020Z', ...paid(4, '8.000000', { windows }), ...paid(5, '16.000000'));
  const of = async (...args: string[]) => (await json(...args)).total.settled;
  expect(await of('--month', '2026-10')).toBe('1.000000');
  expect(await of('--month', '2026-11')).toBe('14.000000');
  expect(await of('--month', '2026-12')).toBe('16.000000');
  expect(await of('--month', '2026-11', '--time-zone', 'UTC')).toBe('28.000000');
  expect(await of('--since', '2026-11-30', '--until', '2026-12-01')).toBe('12.000000');
  expect(await of('--since', '2026-10-31T23:00:00Z', '--until', '2026-10-31T23:00:00.001Z')).toBe('2.000000');
  expect(await of('--until', '2030-01-01')).toBe('31.000000');
  const days = (await json('--month', '2026-11', '--by', 'day,month')).rows.map(({ group }) => group);
  expect(days).toEqual([
    { day: '2026-11-01', month: '2026-11' },
    { day: '2026-11-30', month: '2026-11' },
  ]);
});

test('CSV has a record for each group and none for the total, and no cell that calculates', async () => {
  const agent = { ...AGENT, team: '=HYPERLINK("http://x")', owner: '\u202e@x' };
  seal('2026-11-23T10:00:00Z', ...paid(1, '0.250000', { agent }), ...paid(2, '0.500000'));
  const { code, out, err } = await report('--month', '2026-11', '--by', 'team,owner', '--csv');
  expect(code).toBe(0);
  expect(err).toContain('an unbroken hash chain');
  expect(out.split('\r\n')).toEqual([
    'team,owner,currency,settled,settled_fees,payments,uncertain,uncertain_fees,uncertain_payments,average,largest',
    `"'=HYPERLINK(""http://x"")",\\u202e@x,USD,0.250000,0.000000,1,0.000000,0.000000,0,0.250000,0.250000`,
    'research,dana@example.com,USD,0.500000,0.000000,1,0.000000,0.000000,0,0.500000,0.500000',
    '',
  ]);
});

test('JSON says the period, the groups, the total and the place in the chain it was made from', async () => {
  seal('2026-11-23T10:00:00Z', ...paid(1, '0.250000'));
  const { out } = await report('--month', '2026-11', '--by', 'team,task', '--json');
  const figures = { settled: '0.250000', settledFees: '0.000000', payments: 1, uncertain: '0.000000' };
  const all = { ...figures, uncertainFees: '0.000000', uncertainPayments: 0, average: '0.250000', largest: '0.250000' };
  const { logs, ...rest } = JSON.parse(out);
  expect(rest).toMatchObject({
    period: { since: '2026-10-31T23:00:00.000Z', until: '2026-11-30T23:00:00.000Z', timeZone: 'Europe/Berlin' },
    currency: 'USD',
    by: ['team', 'task'],
    rows: [{ group: { team: 'research', task: 't-1' }, ...all }],
    total: all,
  });
  expect(logs).toMatchObject([{ log: log.reader.log, first: 1, last: 2, hash: log.reader.head().hash }]);
});

test('FOCUS is CSV in the columns of the specification, a line for each agent, payee and day', async () => {
  seal('2026-11-22T22:30:00Z', ...paid(1, '0.250000'));
  seal('2026-11-22T23:30:00Z', ...paid(2, '0.500000'));
  const { code, out, err } = await report('--month', '2026-11', '--focus');
  expect([code, err.split('\n')[0]]).toEqual([
    0,
    'FOCUS 1.2; uncertain amounts are no cost there and stand in x_ columns',
  ]);
  const [header = '', ...lines] = out.trimEnd().split('\r\n');
  const at = (name: string) => header.split(',').indexOf(name);
  const shown = ['BilledCost', 'BillingPeriodStart', 'ChargePeriodStart', 'ChargePeriodEnd', 'ProviderName'];
  expect(lines.map((line) => shown.map((name) => line.split(',')[at(name)]))).toEqual([
    ['0.250000', '2026-10-31T23:00:00Z', '2026-11-21T23:00:00Z', '2026-11-22T23:00:00Z', 'Acme'],
    ['0.500000', '2026-10-31T23:00:00Z', '2026-11-22T23:00:00Z', '2026-11-23T23:00:00Z', 'Acme'],
  ]);
});

test('an empty log, and a month without purchases, are a report of nothing', async () => {
  expect((await json('--month', '2026-11')).total).toMatchObject({ settled: '0.000000', payments: 0, average: null });
  seal('2026-11-23T10:00:00Z', ...paid(1));
  const early = await json('--month', '2026-01');
  expect(early.rows).toEqual([]);
  expect(early.notes).toContainEqual(expect.stringMatching(/^nothing was bought in this time; .* from 2026-11-23T/));
  const other = await json('--month', '2026-11', '--by', 'label.costcenter');
  expect(other.notes).toContainEqual(expect.stringMatching(/^no payment of this time has the label costcenter;/));
  const known = await json('--month', '2026-11', '--by', 'label.costCenter');
  expect(known.notes.filter((note: string) => note.startsWith('no payment'))).toEqual([]);
});

test('an export says the same as the log it is of, without configuration and state', async () => {
  seal('2026-11-23T10:00:00Z', ...paid(1, '0.250000'), { kind: 'intended', n: 2 });
  const { rows, total } = await json('--month', '2026-11');
  expect(await json('--month', '2026-11', '--from', exported())).toMatchObject({ rows, total });
  const bare = ['--config', '/nowhere.yaml', '--keys', keysOf(), '--time-zone', 'Europe/Berlin'];
  const { code, out } = await run(['report', '--month', '2026-11', '--from', exported(), '--json', ...bare]);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ rows, total });
});

test('exports of several gateways and of several times add up; none is counted twice', async () => {
  seal('2026-11-23T10:00:00Z', ...paid(1, '1.000000'), ...paid(2, '2.000000'));
  const other = openLog();
  other.now = Date.parse('2026-11-23T10:00:00Z');
  for (const entry of paid(1, '4.000000', { log: other.reader.log })) other.seal(bought(entry));
  const [early, late] = [exported(log, { first: 1, last: 2 }), exported(log, { first: 3, last: 4 })];
  const keys = ['--keys', keysOf(), '--keys', keysOf(other)];
  const from = (...files: string[]) => ['--month', '2026-11', ...files.flatMap((file) => ['--from', file]), ...keys];
  const all = await json(...from(early, exported(other), late));
  expect(all.total.settled).toBe('7.000000');
  expect(all.logs.map(({ log: name, first, last }) => [name, first, last])).toEqual([
    [log.reader.log, 1, 4],
    [other.reader.log, 1, 2],
  ]);
  for (const files of [
    [early, early],
    [late, early],
    [exported(), late],
  ]) {
    const { code, out, err } = await report(...from(...files));
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/--from .+ begins at seq \d, but seq \d to \d of log .+ were read already/);
  }
});

test('an export that begins within the time says what may be missing', async () => {
  seal('2026-11-23T10:00:00Z', ...paid(1), ...paid(2));
  const { notes } = await json('--month', '2026-11', '--from', exported(log, { first: 3, last: 4 }));
  expect(notes.join('\n')).toContain('begins at seq 3, 2026-11-23T10:00:00.000Z: what came before is missing');
});

test.each([
  ['a changed amount', "UPDATE receipts SET bytes = replace(bytes, '0.250000', '0.050000') WHERE seq = 3", 3],
  ['a changed label', "UPDATE receipts SET bytes = replace(bytes, '4711', '4712') WHERE seq = 2", 2],
  ['a missing receipt', 'DELETE FROM receipts WHERE seq = 4', 4],
  ['a missing beginning', 'DELETE FROM receipts WHERE seq = 1', 1],
  ['another hash', "UPDATE receipts SET hash = replace(hash, substr(hash, 1, 1), 'g') WHERE seq = 5", 5],
  ['bytes that are no receipt', "UPDATE receipts SET bytes = 'x' WHERE seq = 3", 3],
  [
    'a last receipt with another signature',
    'UPDATE receipts SET signature = (SELECT signature FROM receipts WHERE seq = 1) WHERE seq = 6',
    6,
  ],
])('of a log with %s nothing is reported, and the place is named', async (_name, damage, seq) => {
  seal('2026-11-23T10:00:00Z', ...paid(1, '0.250000'), ...paid(2, '0.250000'), ...paid(3, '0.250000'));
  log.db.exec(damage);
  const { code, out, err } = await report('--month', '2026-11');
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(new RegExp(`^purser report: the log is damaged at seq ${seq}: `));
});

test('where a receipt is missing, the one that stands there instead is named', async () => {
  seal('2026-11-23T10:00:00Z', ...paid(1), ...paid(2));
  log.db.exec('DELETE FROM receipts WHERE seq = 2');
  expect((await report('--month', '2026-11')).err).toContain('at seq 2: a receipt with seq 3 stands here');
});

test('a receipt forged with its hash shows at the next one, and as the last one at its signature', async () => {
  seal('2026-11-23T10:00:00Z', ...paid(1, '0.250000'), ...paid(2, '0.250000'));
  const { createHash } = await import('node:crypto');
  for (const [seq, shows] of [
    [2, 3],
    [4, 4],
  ]) {
    const { bytes } = [...log.reader.stored({ first: seq ?? 0, last: seq ?? 0 })][0] ?? { bytes: '' };
    const forged = bytes.replace('0.250000', '0.000001');
    const hash = createHash('sha256').update(forged).digest('hex');
    const before = log.reader.headAt(seq ?? 0).hash;
    log.db.prepare('UPDATE receipts SET bytes = ?, hash = ? WHERE seq = ?').run(forged, hash, seq ?? 0);
    const { code, err } = await report('--month', '2026-11');
    expect(code).toBe(1);
    expect(err).toContain(`damaged at seq ${shows}: `);
    log.db.prepare('UPDATE receipts SET bytes = ?, hash = ? WHERE seq = ?').run(bytes, before, seq ?? 0);
  }
  expect((await report('--month', '2026-11')).code).toBe(0);
});

test('of an export in which any byte of a receipt was changed nothing is reported', async () => {
  seal('2026-11-23T10:00:00Z', ...paid(1, '0.250000'), ...paid(2, '0.250000'));
  const file = exported();
  const whole = readFileSync(file);
  const from = whole.indexOf('"receipt":', whole.indexOf('\n')) + '"receipt":'.length;
  const to = whole.indexOf(',"signature":', from);
  for (let at = from; at < to; at += 7) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 1;
    writeFileSync(file, changed);
    const { code, out, err } = await report('--month', '2026-11', '--from', file);
    expect([at, code, out]).toEqual([at, 1, '']);
    expect(err).toContain(`--from ${file} is damaged at seq 2: `);
  }
});

test.each([
  ['empty', () => ''],
  ['cut within a line', (text: string) => text.slice(0, -300)],
  ['without its signed head', (text: string) => text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1)],
  ['followed by more', (text: string) => `${text}{}\n`],
  ['of something else', () => 'team,settled\nresearch,1.00\n'],
  ['one endless line', () => 'x'.repeat(5_000_000)],
  ['with the head of a shorter log', (text: string) => text.split('\n').toSpliced(1, 2).join('\n')],
])('an export that is %s is answered with exit code 1 and its name', async (_name, change) => {
  seal('2026-11-23T10:00:00Z', ...paid(1), ...paid(2));
  const file = exported();
  writeFileSync(file, change(readFileSync(file, 'utf8')));
  const { code, out, err } = await report('--month', '2026-11', '--from', file);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain(`--from ${file} is damaged`);
});

test('an export that another key signed is not believed', async () => {
  const other = openLog();
  for (const entry of paid(1, '4.000000', { log: other.reader.log })) other.seal(bought(entry));
  seal('2026-11-23T10:00:00Z', ...paid(1));
  const { code, out, err } = await report('--month', '2026-11', '--from', exported(other));
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('which is not in the key set');
});

test.each([
  [['--by', 'team'], 'say which time: --month 2026-11'],
  [['--month', '2026-13'], '--month 2026-13 is not a month; write it as 2026-11'],
  [['--month', 'November'], '--month November is not a month'],
  [['--month', '2026-1'], '--month 2026-1 is not a month'],
  [['--month', '२०२६-११'], 'is not a month'],
  [['--month', '2026-11', '--since', '2026-11-01'], '--month says the whole time'],
  [['--since', '2026-02-30'], '--since 2026-02-30 is not a time'],
  [['--until', 'today'], '--until today is not a time'],
  [['--since', '2026-11-02', '--until', '2026-11-02'], '--until 2026-11-02 is not after --since 2026-11-02'],
  [['--month', '2026-11', '--by', 'teem'], '--by teem is not known; did you mean team?'],
  [['--month', '2026-11', '--by', 'team,'], '--by "" is not known'],
  [['--month', '2026-11', '--by', 'label.'], 'Choose among agent, owner, team'],
  [['--month', '2026-11', '--by', 'team,team'], '--by team,team names something twice'],
  [['--month', '2026-11', '--by', 'a\u001b[2J'], '--by a\\u001b[2J is not known'],
  [['--month', '2026-11', '--csv', '--json'], 'choose one of --csv and --json'],
  [['--month', '2026-11', '--focus', '--chart'], 'choose one of --focus and --chart'],
  [['--month', '2026-11', '--focus', '--by', 'team'], '--focus has its own columns'],
  [['--month', '2026-11', '--time-zone', 'Berlin'], '--time-zone Berlin is not known; give an IANA name'],
  [['--month', '2026-11', '--keys', '/nowhere'], '--keys belongs to exports'],
  [['--month', '2026-11', '--from', '/nowhere'], '--from /nowhere cannot be read'],
  [['--month', '2026-11', '--from', '/'], '--from / is a folder'],
  [
    ['--month', '2026-11', '--from', '/nowhere', '--keys', '/nowhere'],
    '--keys /nowhere is not a file with a JSON key set',
  ],
  [['--month', '2026-11', 'extra'], 'too many arguments'],
])('what was asked wrongly is exit code 2 and says the flag and the fix: %j', async (args, says) => {
  seal('2026-11-23T10:00:00Z', ...paid(1));
  const { code, out, err } = await report(...args);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(says);
});

test('without a log, and for an export without a key, the next step is said', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'purser-none-'));
  const bare = join(empty, 'config.yaml');
  writeFileSync(bare, `identity: { development: true }\nstate: { dir: ${empty}/var }\n`);
  const missing = await run(['report', '--month', '2026-11', '--config', bare]);
  expect([missing.code, missing.out]).toEqual([1, '']);
  expect(missing.err).toContain('no gateway has run');
  seal('2026-11-23T10:00:00Z', ...paid(1));
  const keyless = await run(['report', '--month', '2026-11', '--from', exported(), '--config', bare]);
  expect([keyless.code, keyless.out]).toEqual([2, '']);
  expect(keyless.err).toContain('--from needs --keys FILE here');
});
