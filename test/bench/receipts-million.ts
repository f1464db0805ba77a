// Figures of reading a large log: `node test/bench/receipts-million.ts [--receipts 1000000] [--keep FOLDER]`. It fills
// a log through the ledger's own operations and then times every pair of filters of `receipts list`, and `explain`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { commandLine } from '../../src/command/command-line.ts';
import type { ReceiptEntry } from '../../src/domain/receipt.ts';
import { ledgerOperations, type SealedLink } from '../../src/ledger/ledger-operations.ts';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { openDatabase, openReadOnly } from '../../src/state/database.ts';

const { values } = parseArgs({
  options: { receipts: { type: 'string', default: '1000000' }, keep: { type: 'string' } },
});
const COUNT = Number(values.receipts);
const GOAL_MS = 1_000;
const BATCH = 20_000;
const START = Date.UTC(2026, 0, 1);

const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'purser-million-'));
const state = join(folder, 'var');
mkdirSync(state, { recursive: true, mode: 0o700 });

/** Half of all is one busy agent that is never refused; the others are refused often: no filter pair has it easy. */
function entryOf(n: number): ReceiptEntry {
  const purchase = Math.floor(n / 4);
  const busy = purchase % 2 === 0;
  const who = busy ? 0 : 1 + (purchase % 199);
  const refused = !busy && purchase % 3 === 0;
  const kind = refused ? 'refused' : ((['intended', 'settled', 'delivered', 'delivered'] as const)[n % 4] ?? 'settled');
  const exchange = `plog000.${(refused ? n : purchase).toString(16).padStart(24, '0')}`;
  const hold = { id: `${exchange}.0`, wallet: 'play', amount: '0.010000', fee: '0.000000', budgets: [] };
  const code = refused ? (['payee_forbidden', 'over_ceiling', 'budget_exceeded'][n % 3] ?? '') : undefined;
  return {
    kind,
    exchange,
    trace: purchase.toString(16).padStart(32, '0'),
    agent: {
      id: `buyer-${who}`,
      subject: `buyer-${who}`,
      owner: `owner-${who % 20}@example.com`,
      team: `team-${who % 10}`,
      issuer: 'https://idp.example.com',
      jti: n.toString(16).padStart(32, '0'),
      task: `task-${purchase % 1_000}`,
    },
    service: { id: `service-${purchase % 30}` },
    request: { method: 'GET', path: '/v1/answers', from: '10.0.0.1' },
    offer: {
      asset: 'usd.sandbox',
      network: 'sandbox',
      atoms: '1',
      payee: `payee-${purchase % 50}`,
      value: '0.010000',
      currency: 'USD',
    },
    decision: {
      policy: 'a'.repeat(64),
      entitlement: 'everybody-buys',
      outcome: refused ? 'refused' : 'allowed',
      ...(code === undefined ? {} : { code, detail: 'The service asks to pay mallory on sandbox.' }),
      checks: ['standing', 'guardrails.deny', 'entitlement', 'asset', 'payee'].map((check) => ({
        check,
        outcome: 'passed',
      })),
    },
    ...(refused ? {} : { hold }),
  };
}

function fill(): void {
  const db = openDatabase(state);
  let now = START;
  const operations = ledgerOperations(db, { dir: state, development: true }, () => now);
  const seal = (entry: ReceiptEntry) => operations['ledger.seal']?.run(entry) as SealedLink;
  const from = performance.now();
  let sealed = Number(db.prepare('SELECT count(*) AS n FROM receipts').get()?.n);
  const before = sealed;
  while (sealed < COUNT) {
    db.exec('BEGIN');
    for (const end = Math.min(COUNT, sealed + BATCH); sealed < end; sealed += 1) {
      now = START + sealed * 25_000;
      seal(entryOf(sealed));
    }
    db.exec('COMMIT');
  }
  if (before < COUNT)
    console.log(`${COUNT - before} receipts sealed in ${((performance.now() - from) / 1_000).toFixed(1)} s`);
  db.close();
}

interface Figure {
  readonly what: string;
  readonly ms: number;
}

const FILTERS = {
  kind: 'refused',
  agent: 'buyer-0',
  owner: 'owner-7@example.com',
  team: 'team-3',
  service: 'service-11',
  task: 'task-77',
  code: 'over_ceiling',
  payee: 'payee-13',
  since: new Date(START + COUNT * 12_500).toISOString(),
  until: new Date(START + COUNT * 2_500).toISOString(),
} as const;

function time(what: string, work: () => unknown): Figure {
  const from = performance.now();
  work();
  return { what, ms: performance.now() - from };
}

/** The first hundred of every filter, every pair, and every pair within a time, newest first. */
function listFigures(): Figure[] {
  const reader = new LedgerReader(openReadOnly(state));
  const names = Object.keys(FILTERS) as (keyof typeof FILTERS)[];
  const measure = (chosen: readonly (keyof typeof FILTERS)[]): Figure => {
    const filter = Object.fromEntries(chosen.map((name) => [name, FILTERS[name]]));
    return time(chosen.join(' + '), () => Array.from(reader.iterate({ ...filter, limit: 100 })).length);
  };
  const pairs = names.flatMap((one, index) => names.slice(index + 1).map((two) => [one, two]));
  const timed = pairs.filter((pair) => !pair.includes('since') && !pair.includes('until'));
  const figures = [
    ...names.map((name) => measure([name])),
    ...pairs.map(measure),
    ...timed.map((pair) => measure([...pair, 'since'])),
  ];
  reader.close();
  return figures;
}

async function commandFigure(what: string, args: readonly string[]): Promise<Figure> {
  const config = join(folder, 'config.yaml');
  mkdirSync(join(folder, 'policies'), { recursive: true });
  writeFileSync(
    config,
    'listen: { operators: "127.0.0.1:9", agents: "127.0.0.1:10" }\nidentity: { development: true }\n',
  );
  writeFileSync(join(folder, 'policies', 'policy.yaml'), 'agents:\n  - { id: a, owner: o }\n');
  const from = performance.now();
  const io = { out: () => {}, err: (text: string) => console.error(text.trimEnd()), env: {} };
  const code = await commandLine([...args, '--config', config], io);
  return { what: `${what} (exit ${code})`, ms: performance.now() - from };
}

fill();
const log = new LedgerReader(openReadOnly(state));
const middle = `${log.log}.${Math.ceil(COUNT / 2)}`;
log.close();
await commandFigure('warm-up', ['receipts', 'list', '--limit', '1']);
const figures = [
  ...listFigures(),
  await commandFigure('purser explain ID', ['explain', middle]),
  await commandFigure('purser receipts list', ['receipts', 'list', '--agent', 'buyer-0', '--code', 'over_ceiling']),
];
figures.sort((a, b) => b.ms - a.ms);
const SHOWN = 15;
console.log(`the ${SHOWN} slowest:`);
for (const { what, ms } of figures.slice(0, SHOWN)) console.log(`${ms.toFixed(1).padStart(9)} ms  ${what}`);
const slow = figures.filter(({ ms }) => ms > GOAL_MS);
console.log(`${figures.length - slow.length} of ${figures.length} within ${GOAL_MS} ms over ${COUNT} receipts`);
if (values.keep === undefined) rmSync(folder, { recursive: true });
process.exitCode = slow.length > 0 ? 1 : 0;
