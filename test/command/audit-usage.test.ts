// What an audit refuses: each with what is wrong, where, and the next step; and nothing is said of a log that does not
// hold. Logs are made by the ledger's own operations here, at any time.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { openLog, type TestLog } from '../ledger/log.ts';
import { bought } from '../report/receipts.ts';
import { audited, extract, kinds, type Row } from '../support/auditing.ts';
import { run } from './support.ts';

let log: TestLog;
let config: string;

beforeEach(() => {
  log = openLog();
  config = join(log.dir, 'config.yaml');
  writeFileSync(config, `identity: { development: true }\nstate: { dir: ${log.dir} }\n`);
});

/** A purchase whose payment is called `payer:nonce-<n>`. */
function seal(at: string, n: number, ...ends: ('settled' | 'voided')[]): void {
  log.now = Date.parse(at);
  const proof = { identity: `payer:nonce-${n}`, redeemableUntil: new Date(log.now + 300_000).toISOString() };
  for (const kind of ['intended', ...ends] as const) log.seal({ ...bought({ kind, n, log: log.reader.log }), proof });
}

const row = (n: number, at: string): Row => ({
  payment: `nonce-${n}`,
  amount: '1',
  asset: 'usd.sandbox',
  payee: 'acme',
  at,
});
/** Without budgets, and with books of nobody. */
const alone = (...args: string[]) => [
  ...['--without-budgets', '--config', config],
  ...['--books', extract(log.dir, [], 'nobody.csv'), ...args],
];
const audit = (...args: string[]) => run(['audit', ...alone(...args)]);

const file = (name: string, text: string): string => {
  const path = join(log.dir, name);
  writeFileSync(path, text);
  return path;
};

test('what is asked wrongly is refused with exit 2, and names the fix', async () => {
  seal('2026-11-23T10:00:00Z', 1, 'settled');
  const folder = join(log.dir, 'folder');
  mkdirSync(folder);
  const header = 'payment,amount,asset,payee,at\n';
  const cases: [string[], string][] = [
    [['--csv', '--json'], 'choose one of --csv and --json'],
    [['--keys', 'keys.json'], '--keys belongs to exports'],
    [['--month', '2026-13'], '--month 2026-13 is not a month; write it as 2026-11'],
    [['--since', '2026-11-02', '--until', '2026-11-01'], '--until 2026-11-01 is not after --since 2026-11-02'],
    [['--time-zone', 'Mars/Base'], '--time-zone Mars/Base is not known'],
    [['--books', join(log.dir, 'none.csv')], 'none.csv is not a file; name a CSV extract'],
    [['--books', folder], 'folder is not a file; name a CSV extract'],
    [['--books', file('empty.csv', '')], 'empty.csv:1: the file is empty; its first line must name payment, amount'],
    [['--books', file('bad.csv', `${header}n,1.5,usd,acme,2026-11-23T10:00:00Z\n`)], 'bad.csv:2: amount "1.5" is not'],
    [['--from', join(log.dir, 'none.jsonl')], 'cannot be read; name a file that "purser receipts export" wrote'],
  ];
  for (const [args, said] of cases) {
    const { code, out, err } = await audit(...args);
    expect([args, code, out]).toEqual([args, 2, '']);
    expect(err).toContain(said);
  }
  const bare: [string[], string][] = [
    [['--payee', 'acme'], '--payee says for whom --books answers: name those too'],
    [['--without-budgets'], 'there is nothing to compare with: name --books or --chain, or leave out'],
  ];
  for (const [args, said] of bare) {
    const refused = await run(['audit', '--config', config, ...args]);
    expect(refused).toMatchObject({ code: 2, out: '', err: expect.stringContaining(said) });
  }
  const latin = join(log.dir, 'latin.csv');
  writeFileSync(latin, Buffer.from(`${header}caf\u00e9,1,usd,acme,2026-11-23T10:00:00Z\n`, 'latin1'));
  expect(await audit('--books', latin)).toMatchObject({ code: 2, err: expect.stringContaining('is not UTF-8') });
});

test('of a log that does not hold nothing is said: exit 1 and the place', async () => {
  seal('2026-11-23T10:00:00Z', 1, 'settled');
  log.db.exec(`UPDATE receipts SET bytes = replace(bytes, '"0.010000"', '"0.020000"') WHERE seq = 2`);
  const { code, out, err } = await audit();
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('the log is damaged at seq 2');
});

test('exports with their keys need no configuration, and what a hostile extract says is made harmless', async () => {
  seal('2026-11-23T10:00:00Z', 1, 'settled');
  const folder = mkdtempSync(join(tmpdir(), 'purser-auditor-'));
  const [exported, keys] = [join(folder, 'log.jsonl'), join(folder, 'keys.json')];
  writeFileSync(exported, `${log.lines().join('\n')}\n`);
  writeFileSync(keys, JSON.stringify(log.jwks()));
  const strange = { ...row(1, '2026-11-23T10:00:00Z'), payment: '=HYPERLINK(1)', payee: 'acme' };
  const right = { ...row(1, '2026-11-23T10:00:01Z'), payment: 'payer:nonce-1' };
  const books = extract(folder, [right, strange, { ...strange, payment: '\u202e\u001b[2J' }]);
  const args = ['--from', exported, '--keys', keys, '--time-zone', 'UTC', '--without-budgets', '--books', books];
  const nowhere = ['--config', join(folder, 'none.yaml')];
  expect(kinds(await audited([...args, ...nowhere]))).toEqual(Array(2).fill('transfer_without_receipt'));
  const { code, out } = await run(['audit', '--csv', ...args, ...nowhere]);
  expect(code).toBe(1);
  expect(out).toContain(`transfer_without_receipt,'=HYPERLINK(1),nothing`);
  expect(out).toContain('\\u202e\\u001b[2J');
  expect((await run(['audit', ...args, ...nowhere])).out).not.toContain('\u001b');
});

test('a purchase of the month before may be redeemed in this one, and counts in its own', async () => {
  seal('2026-10-31T23:59:00Z', 1, 'settled');
  seal('2026-11-10T10:00:00Z', 2, 'settled');
  seal('2026-11-30T23:59:00Z', 3, 'settled');
  const books = extract(log.dir, [row(1, '2026-11-01T00:01:00Z'), row(2, '2026-11-10T10:00:01Z')]);
  const november = await audited(alone('--month', '2026-11', '--books', books));
  expect([november.differences, november.receipts.settled.payments]).toEqual([[], 2]);
  // Until December it may still be on its way; by then it must be there.
  expect(kinds(await audited(alone('--since', '2026-11-01', '--books', books)))).toEqual(['settled_without_transfer']);
});

test('without a second side there is nothing to compare, and it says so', async () => {
  seal('2026-11-23T10:00:00Z', 1);
  const { code, out } = await run(['audit', '--config', config, '--without-budgets', '--chain']);
  expect(code).toBe(1);
  expect(out).toContain('Nothing was compared: there is only one side, the receipts.');
  expect(out).toContain('--chain asked nobody: the configuration names no node (networks)');
});
