// Folds receipts into the account, each once and in order, in the state thread. It never judges: what a receipt says
// counts, and the first end of a hold is its end.
import type { DatabaseSync } from 'node:sqlite';
import type { RailPayment } from '../domain/hold.ts';
import type { Receipt } from '../domain/receipt.ts';
import { prepareAccount } from './account-tables.ts';
import { type ReadPage, readPages } from './query.ts';

/** How long an ended purchase stands for something: after its end, and after its proof's life; milliseconds. */
export interface Standing {
  readonly afterEndMs: number;
  readonly afterProofMs: number;
}

/** What is kept of a purchase beside its state, as JSON. */
export interface KeptPurchase {
  readonly micros: string;
  readonly agent: string;
  readonly service: string;
  readonly wallet: string;
  readonly subject: string;
  readonly claim: { readonly key: string | null; readonly repeat: string };
  readonly challengeId: string;
  readonly payment: Omit<RailPayment, 'atoms'> & { readonly atoms: string };
  readonly redeemableUntil: number;
  readonly lines: readonly { readonly budget: string; readonly scope: string; readonly windowStart: number }[];
}

const KINDS = ['intended', 'settled', 'voided', 'uncertain', 'resolved', 'delivered', 'operator'];
/** Purchases forgotten by one call, so that no call takes long. */
const FORGET = 500;

/** Makes the tables, and answers the function that folds at most so many receipts: are more waiting? */
export function folder(db: DatabaseSync, standing: Standing, now: () => number) {
  prepareAccount(db);
  const next =
    `SELECT seq, bytes FROM receipts WHERE seq BETWEEN ? AND ? AND +kind IN ` +
    `(${KINDS.map((kind) => `'${kind}'`).join(', ')}) ORDER BY seq LIMIT ?`;
  const read: ReadPage = ({ db: part, first, last }, most) => part.prepare(next).all(first, last, most);
  const head = db.prepare('SELECT max(seq) AS seq FROM receipts');
  const folded = db.prepare('SELECT seq FROM account_folded');
  const mark = db.prepare('INSERT OR REPLACE INTO account_folded VALUES (1, ?)');
  const over = "SELECT id FROM account_holds WHERE state <> 'exposed' AND forget <= ? LIMIT ?";
  const forget = db.prepare(`DELETE FROM account_holds WHERE id IN (${over})`);
  const take = taker(db, standing);
  return (most: number): { seq: number; more: boolean } => {
    const range = { first: Number(folded.get()?.seq ?? 0) + 1, last: Number(head.get()?.seq ?? 0) };
    const rows = Array.from(readPages(db, range, true, most, read));
    for (const row of rows) take(JSON.parse(String(row.bytes)) as Receipt);
    const more = rows.length === most;
    const seq = more ? Number(rows.at(-1)?.seq) : range.last;
    mark.run(seq);
    forget.run(now(), FORGET);
    return { seq, more };
  };
}

function taker(db: DatabaseSync, standing: Standing): (receipt: Receipt) => void {
  const statements = prepared(db);
  const order = orderTaker(db);
  return (receipt) => {
    const at = Date.parse(receipt.at);
    const { kind, hold, exchange } = receipt;
    if (kind === 'operator') return order(receipt, at);
    if (kind === 'intended') return insert(statements, receipt, at);
    if (kind === 'delivered') {
      const whole = receipt.delivery?.outcome === 'whole' ? 1 : 0;
      return void (exchange && statements.deliver.run({ exchange, at, whole }));
    }
    if (!hold) return;
    const ending = endingOf(receipt);
    if (kind === 'uncertain') {
      return void statements.uncertain.run({ id: hold.id, ending, at: receipt.decision?.code === undefined ? 0 : at });
    }
    end(statements, receipt, { at, ending }, standing);
  };
}

type Statements = ReturnType<typeof prepared>;

function prepared(db: DatabaseSync) {
  return {
    insert: db.prepare(
      'INSERT OR IGNORE INTO account_holds (id, exchange, state, purchase, intended_at, closed_at, ended_at, whole, ' +
        "ending, forget) VALUES (:id, :exchange, 'exposed', :purchase, :at, 0, 0, 0, '', 0)",
    ),
    uncertain: db.prepare(
      "UPDATE account_holds SET ending = :ending, closed_at = max(closed_at, :at) WHERE id = :id AND state = 'exposed'",
    ),
    find: db.prepare("SELECT purchase FROM account_holds WHERE id = ? AND state = 'exposed'"),
    end: db.prepare(
      'UPDATE account_holds SET state = :state, ended_at = :at, ending = :ending, forget = :forget WHERE id = :id',
    ),
    others: db.prepare('INSERT OR IGNORE INTO account_others VALUES (?, ?)'),
    deliver: db.prepare(
      'UPDATE account_holds SET closed_at = max(closed_at, :at), whole = max(whole, :whole) WHERE exchange = :exchange',
    ),
    total: db.prepare(
      'INSERT INTO account_totals VALUES (:budget, :start, :scope, :micros, 1) ON CONFLICT DO UPDATE ' +
        'SET settled = settled + excluded.settled, payments = payments + 1',
    ),
  };
}

function insert({ insert: put }: Statements, receipt: Receipt, at: number): void {
  const { hold, exchange } = receipt;
  if (!hold || !exchange) return;
  put.run({ id: hold.id, exchange, purchase: JSON.stringify(purchaseOf(receipt, hold)), at });
}

function purchaseOf(receipt: Receipt, hold: NonNullable<Receipt['hold']>): KeptPurchase {
  const { agent, service, claim, challenge, offer, proof } = receipt;
  return {
    micros: hold.amount.replace('.', '').replace(/^0+(?=\d)/, ''),
    ...{ agent: agent?.id ?? '', service: service?.id ?? '', wallet: hold.wallet },
    subject: JSON.stringify([agent?.issuer ?? '', agent?.subject ?? '']),
    claim: { key: claim?.key ?? null, repeat: claim?.repeat ?? '' },
    challengeId: challenge?.id ?? '',
    payment: {
      ...{ network: offer?.network ?? '', identity: proof?.identity ?? '' },
      ...{ payee: offer?.payee ?? '', atoms: offer?.atoms ?? '0' },
    },
    redeemableUntil: proof ? Date.parse(proof.redeemableUntil) : 0,
    lines: linesOf(hold),
  };
}

/** A line that two rules name stands twice in the receipt, and counts once. */
function linesOf({ budgets }: NonNullable<Receipt['hold']>): KeptPurchase['lines'] {
  const names = budgets.map(({ id, scope }) => JSON.stringify([id, scope]));
  const once = budgets.filter((_, index) => names.indexOf(names[index] ?? '') === index);
  return once.map(({ id, scope, window }) => ({ budget: id, scope, windowStart: Date.parse(window) }));
}

/** `settled`, `voided` or `resolved`. */
function end(
  { find, end: update, total, others }: Statements,
  receipt: Receipt,
  { at, ending }: { at: number; ending: string },
  standing: Standing,
): void {
  const id = receipt.hold?.id ?? '';
  const row = find.get(id);
  const state = stateOf(receipt);
  if (!row) {
    // A person can end another gateway's purchase here: only this log says so.
    if (receipt.kind === 'resolved' && !id.startsWith(`${receipt.log}.`)) others.run(id, state);
    return;
  }
  const purchase = JSON.parse(String(row.purchase)) as KeptPurchase;
  const forget = Math.max(at + standing.afterEndMs, purchase.redeemableUntil + standing.afterProofMs);
  update.run({ id, state, at, ending, forget });
  if (state !== 'settled') return;
  for (const { budget, scope, windowStart } of purchase.lines) {
    total.run({ budget, scope, start: windowStart, micros: BigInt(purchase.micros) });
  }
}

/** A proof that was never sent leaves its agent free to buy again; what was voided later stands for its repeats. */
function stateOf({ kind, change, settlement }: Receipt): 'settled' | 'voided' | 'freed' {
  if (kind === 'settled') return 'settled';
  if (kind === 'resolved') return change?.what === 'resolved as settled' ? 'settled' : 'voided';
  return settlement?.evidence === undefined ? 'freed' : 'voided';
}

function endingOf({ id, decision, settlement }: Receipt): string {
  return JSON.stringify({
    code: decision?.code ?? null,
    upstreamStatus: settlement?.upstreamStatus ?? null,
    receipt: id,
  });
}

/** The latest stop and start of each thing. A start that the store did not take leaves it stopped. */
function orderTaker(db: DatabaseSync): (receipt: Receipt, at: number) => void {
  const stopped = db.prepare(
    'INSERT INTO account_orders VALUES (:name, :at, 0, :because, :by) ON CONFLICT DO UPDATE ' +
      'SET stopped_at = :at, because = :because, ordered_by = :by',
  );
  const started = db.prepare(
    "INSERT INTO account_orders VALUES (:name, 0, :at, '', '') ON CONFLICT DO UPDATE SET started_at = :at",
  );
  return ({ change }, at) => {
    const [, what, kind = '', id] =
      /^(stop|start) (all|agent|service|wallet)(?: (.*))?$/s.exec(change?.what ?? '') ?? [];
    const name = `${kind}:${kind === 'all' ? '*' : (id ?? '')}`;
    const applied = change?.outcome === 'applied';
    if (what === 'stop' && applied) {
      stopped.run({ name, at, because: change?.because ?? '', by: change?.by ?? '' });
    } else if (what === 'start') {
      started.run({ name, at: applied ? at : 0 });
    }
  };
}
