// Makes a receipt log of any size for measuring readers: real purchases' receipts, sealed by the ledger's own code.
//   node test/bench/report-log.ts FOLDER 1000000
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReceiptEntry } from '../../src/domain/receipt.ts';
import { ledgerOperations } from '../../src/ledger/ledger-operations.ts';
import { openDatabase } from '../../src/state/database.ts';

const START = Date.UTC(2026, 9, 25);
const BATCH = 20_000;
const HEX = 'ab'.repeat(32);

/**
 * A folder with `config.yaml` and a log of `receipts` receipts under `var`, three for a purchase, spread evenly from 25
 * October to 15 December 2026.
 */
export function makeLog(folder: string, receipts: number): { config: string; state: string } {
  const state = join(folder, 'var');
  const config = join(folder, 'config.yaml');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  writeFileSync(config, 'identity: { development: true }\nstate: { dir: ./var }\n');
  const db = openDatabase(state);
  db.exec('PRAGMA synchronous=OFF');
  const stepMs = Math.floor((51 * 86_400_000) / receipts);
  let now = START;
  const operations = ledgerOperations(db, { dir: state, development: false }, () => now);
  const seal = operations['ledger.seal'];
  for (let done = 0; done < receipts; done += 1) {
    if (done % BATCH === 0) db.exec(done === 0 ? 'BEGIN' : 'COMMIT; BEGIN');
    now += stepMs;
    seal?.run(entry(done));
  }
  while (operations['ledger.checkpoint']?.run(undefined) === 'growing');
  db.exec('COMMIT');
  db.close();
  return { config, state };
}

function entry(index: number): ReceiptEntry {
  const n = Math.floor(index / 3);
  const kind = (['intended', 'settled', 'delivered'] as const)[index % 3] ?? 'delivered';
  const agent = `agent-${n % 200}`;
  const cents = 1 + (n % 500);
  const amount = `0.${String(cents).padStart(3, '0')}000`;
  const exchange = `pbenchmark.${n.toString(16).padStart(24, '0')}`;
  const base: ReceiptEntry = {
    kind,
    exchange,
    trace: n.toString(16).padStart(32, '0'),
    agent: {
      id: agent,
      subject: agent,
      owner: `owner-${n % 40}@example.com`,
      team: `team-${n % 20}`,
      labels: { costCenter: String(4_000 + (n % 50)), env: n % 2 ? 'prod' : 'test' },
      issuer: 'https://idp.example.com',
      jti: '0e8a4a9e-3f4d-4a57-9a52-3f0f5a1c2b7d',
    },
    service: { id: `service-${n % 30}`, provider: `Provider ${n % 10} Inc.` },
    request: { method: 'GET', path: `/v1/forecast/${n % 1_000}`, queryHash: HEX, from: '10.0.0.7' },
  };
  if (kind === 'delivered') return { ...base, delivery: { outcome: 'whole', bytes: 512 } };
  const settlement = { evidence: 'answered' as const, reference: `ref-${n}`, receiptHash: HEX, upstreamStatus: 200 };
  return { ...base, ...purchase(n, exchange, amount), ...(kind === 'settled' ? { settlement } : {}) };
}

function purchase(n: number, exchange: string, amount: string): Partial<ReceiptEntry> {
  return {
    challenge: { dialect: 'mpp', method: 'sandbox', intent: 'charge', id: `c-${n}`, realm: 'shop.test', hash: HEX },
    offer: { asset: 'usd.sandbox', network: 'sandbox', atoms: '10', payee: 'acme', value: amount, currency: 'USD' },
    decision: {
      policy: HEX,
      entitlement: 'research-buys-weather',
      outcome: 'allowed',
      checks: ['payee', 'asset', 'ceiling', 'day', 'month'].map((check) => ({
        check,
        outcome: 'passed' as const,
        limit: '5.000000',
        settled: '1.000000',
        held: '0.000000',
        asked: amount,
      })),
    },
    hold: {
      id: `${exchange}.1`,
      wallet: 'play',
      amount,
      fee: '0.000000',
      budgets: [{ id: 'org-year', scope: '[]', window: '2026-01-01T00:00:00.000Z' }],
    },
    claim: { repeat: HEX },
    proof: { identity: HEX, hash: HEX, redeemableUntil: '2026-11-23T10:05:00.000Z' },
  };
}

if (import.meta.main) {
  const [folder = 'bench-log', count = '1000000'] = process.argv.slice(2);
  makeLog(folder, Number(count));
}
