// A log in a fresh folder, without a thread: its clock is handed in, so that receipts can be made at any time.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReceiptEntry } from '../../src/domain/receipt.ts';
import { exportLines } from '../../src/ledger/export.ts';
import { ledgerOperations, type SealedLink } from '../../src/ledger/ledger-operations.ts';
import { logEnd, ownKeys } from '../../src/ledger/own-log.ts';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { type Rolled, rollOperations } from '../../src/ledger/roll.ts';
import { openDatabase } from '../../src/state/database.ts';

export const START = Date.UTC(2026, 10, 23, 10);

export interface TestLog {
  readonly dir: string;
  readonly db: DatabaseSync;
  readonly reader: LedgerReader;
  /** The wall clock of the log, in milliseconds. */
  now: number;
  run(operation: string, argument?: unknown): unknown;
  seal(entry: ReceiptEntry): SealedLink;
  /** Moves into segments what does not belong into the database any more; says why it could not. */
  roll(): Promise<string | undefined>;
  /** The whole log as exported, lines without line feeds. */
  lines(range?: { first: number; last: number }): string[];
  jwks(): { keys: unknown[] };
}

export const freshDir = (): string => mkdtempSync(join(tmpdir(), 'purser-test-'));

export function openLog(dir = freshDir(), segment = 250_000): TestLog {
  const db = openDatabase(dir);
  const clock = { now: START };
  const operations = {
    ...ledgerOperations(db, { dir, development: false }, () => clock.now),
    ...rollOperations(db, { segment, diskReserveBytes: 0 }),
  };
  const reader = new LedgerReader(db);
  const run = (operation: string, argument?: unknown) => operations[operation]?.run(argument);
  return Object.assign(clock, {
    dir,
    db,
    reader,
    run,
    roll: async () => {
      for (;;) {
        const { more, failed } = run('ledger.roll', reader.head().seq) as Rolled;
        if (!more) return failed;
        await nextTurn();
      }
    },
    seal: (entry: ReceiptEntry) => run('ledger.seal', entry) as SealedLink,
    lines: (range = { first: 1, last: reader.head().seq }) => {
      const end = logEnd(reader, dir, clock.now, range.last);
      return Array.from(exportLines(reader.stored(range), end));
    },
    jwks: () => ownKeys(reader, dir),
  });
}

/** A purchase's receipt: number `n`, of agent `buyer-<n % 3>`. */
export function purchase(kind: ReceiptEntry['kind'], n: number): ReceiptEntry {
  return {
    kind,
    exchange: `exchange-${n}`,
    trace: n.toString(16).padStart(32, '0'),
    agent: {
      id: `buyer-${n % 3}`,
      subject: `buyer-${n % 3}`,
      owner: 'dana@example.com',
      team: 'research',
      issuer: 'i',
    },
    service: { id: 'weather' },
    offer: { asset: 'usd', network: 'sandbox', atoms: '1', payee: 'shop', value: '0.010000', currency: 'USD' },
    hold: { id: `hold-${n}`, wallet: 'play', amount: '0.010000', fee: '0.000000', budgets: [] },
  };
}
