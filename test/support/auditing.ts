// What tests of `purser audit` share: running it, the merchant's books as an extract, and a state to tamper with.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { run } from '../command/support.ts';

/** What `purser audit --json` prints. */
export interface Audited {
  readonly agree: boolean;
  readonly receipts: Readonly<Record<'settled' | 'uncertain' | 'voided', { payments: number; amount: string }>>;
  readonly budgets: { openHolds: { payments: number; amount: string }; linesCompared: number } | null;
  readonly rails: readonly { book: string; asset: string; moved: Atoms; settled: Atoms }[];
  readonly settledInNoBooks: { payments: number; amount: string };
  readonly differences: readonly {
    kind: string;
    about: string;
    receipt: string | null;
    receipts: string | null;
    budgets: string | null;
    rails: string | null;
  }[];
  readonly uncertain: readonly Readonly<Record<string, string | null>>[];
  readonly notes: readonly string[];
}

interface Atoms {
  readonly payments: number;
  readonly atoms: string;
}

/** The answer, once its exit code was checked: 0 when the sides agree, 1 when they do not. */
export async function audited(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Audited> {
  const { code, out, err } = await run(['audit', '--json', ...args], env);
  if (err !== '') throw new Error(err);
  const answer: Audited = JSON.parse(out);
  if (code !== (answer.agree ? 0 : 1)) throw new Error(`exit code ${code} for agree: ${answer.agree}`);
  return answer;
}

/** Kinds of the differences, in order. */
export const kinds = ({ differences }: Audited): string[] => differences.map(({ kind }) => kind).sort();

/** One row of an extract. */
export interface Row {
  readonly payment: string;
  readonly amount: string;
  readonly asset: string;
  readonly payee: string;
  readonly at: string;
}

/** Writes an extract and says where. */
export function extract(folder: string, rows: readonly Row[], name = 'books.csv'): string {
  const file = join(folder, name);
  const lines = rows.map(({ payment, amount, asset, payee, at }) => [payment, amount, asset, payee, at].join(','));
  writeFileSync(file, ['payment,amount,asset,payee,at', ...lines, ''].join('\n'));
  return file;
}

/** Changes the state of a gateway that does not run. */
export function tamper(folder: string, sql: string): void {
  const db = new DatabaseSync(join(folder, 'var', 'purser.sqlite'));
  db.exec(sql);
  db.close();
}
