// Reads what the Lua steps answer, strictly: amounts are decimal strings and become bigint, and an answer of another
// shape is an error, never a default.
import type { Abandoned, Ending, ExposeOutcome, OpenHold, Purchase, RailPayment, Stop } from '../domain/hold.ts';
import { lineOfKey } from './redis-keys.ts';
import type { Again, Counted, HoldAnswer } from './store.ts';

/** Some scopes of a budget, and where the next page begins; `0` after the last. */
export interface ScopesPage {
  readonly kind: 'scopes';
  readonly cursor: string;
  readonly scopes: readonly (Counted & { readonly scope: string })[];
}

/** Which of its answers a step gave; empty for what is none. */
export function kindOf(answer: unknown): string {
  const kind: unknown = Array.isArray(answer) ? answer[0] : answer;
  return typeof kind === 'string' ? kind : '';
}

/** Reads an answer that is a list of texts. */
export const readTexts = (answer: unknown): string[] => texts(answer);

/** Reads the hold's step. */
export function readHold(answer: unknown): HoldAnswer {
  const [kind, ...rest] = texts(answer);
  if (kind === 'held') return { kind, counted: readCounted(rest) };
  if (kind === 'exceeded') {
    const [line, what, ...numbers] = rest;
    if (what !== 'amount' && what !== 'payments') throw unreadable();
    return { kind, line: whole(line), what, counted: readCounted(numbers) };
  }
  if (kind === 'repeat') return { kind, purchase: purchaseOf(rest) };
  if (kind === 'challenge_taken' || kind === 'identity_taken') return { kind };
  if (kind === 'paused') return { kind, unsettled: whole(rest[0]) };
  if (kind === 'stopped') return { kind, stop: readStop(text(rest[0]), text(rest[1])) };
  return again(kind, rest);
}

/** Reads the expose step. */
export function readExpose(answer: unknown): ExposeOutcome {
  const [kind, name, order] = texts(answer);
  if (kind === 'exposed' || kind === 'lapsed') return { kind };
  if (kind === 'stopped') return { kind, stop: readStop(text(name), text(order)) };
  throw unreadable();
}

/** Reads what a key stands for. */
export function readPurchase(answer: unknown): Purchase | undefined {
  const [kind, ...rest] = texts(answer);
  if (kind === 'free') return undefined;
  if (kind !== 'repeat') throw unreadable();
  return purchaseOf(rest);
}

/** Reads the state of lines. */
export function readLines(answer: unknown): Again | { kind: 'counted'; counted: Counted[] } {
  const [kind, ...rest] = texts(answer);
  return kind === 'counted' ? { kind, counted: readCounted(rest) } : again(kind, rest);
}

/** Reads one page of scopes. */
export function readScopes(answer: unknown): Again | ScopesPage {
  const [kind, ...rest] = texts(answer);
  if (kind !== 'scopes') return again(kind, rest);
  const [cursor, ...found] = rest;
  const scopes = chunks(found, 6).map(([scope, ...numbers]) => ({ scope: text(scope), ...countedOf(numbers) }));
  return { kind, cursor: text(cursor), scopes };
}

/** Reads a page of open holds. */
export function readOpenHolds(answer: unknown): OpenHold[] {
  if (!Array.isArray(answer)) throw unreadable();
  return answer.map((one) => {
    const [id, exchange, state, agent, service, wallet, micros, heldAt, until, ending, ...rest] = texts(one);
    const [payment = '', ...places] = rest;
    if (state !== 'held' && state !== 'exposed' && state !== 'uncertain') throw unreadable();
    return {
      ...{ id: text(id), exchange: text(exchange), state, agent: text(agent), service: text(service) },
      ...{ wallet: text(wallet), micros: amount(micros), heldAt: whole(heldAt), redeemableUntil: whole(until) },
      lines: chunks(places, 2).map(([key, start]) => readPlace(text(key), whole(start))),
      ending: readEnding(text(ending)),
      payment: payment === '' ? null : readPayment(payment),
    };
  });
}

/** Reads open holds that are handed out, and until when. */
export function readAbandoned(answer: unknown): Abandoned[] {
  if (!Array.isArray(answer)) throw unreadable();
  const holds = readOpenHolds(answer.map((row: unknown) => texts(row).slice(0, -1)));
  return holds.map((hold, index) => {
    const [againAt] = texts(answer[index]).slice(-1);
    if (!hold.payment) throw unreadable();
    return { hold, payment: hold.payment, againAt: whole(againAt) };
  });
}

/** A payment as it is kept with its hold. */
export const paymentText = ({ network, identity, payee, atoms }: RailPayment): string =>
  JSON.stringify([network, identity, payee, `${atoms}`]);

function readPayment(kept: string): RailPayment {
  const [network, identity, payee, atoms] = texts(JSON.parse(kept));
  return { network: text(network), identity: text(identity), payee: text(payee), atoms: amount(atoms) };
}

/** Reads an operator's order from its name (`kind:id`) and what is kept under it. */
export function readStop(name: string, order: string): Stop {
  const parts = /^(agent|service|wallet|all):(.*)$/s.exec(name);
  const kept = /^([0-9]+)\n(.*)$/s.exec(order);
  if (!parts || !kept) throw unreadable();
  const { because, by } = JSON.parse(text(kept[2])) as Pick<Stop, 'because' | 'by'>;
  return { kind: parts[1] as Stop['kind'], id: text(parts[2]), because, by, at: whole(kept[1]) };
}

/** Reads the terms that differ. */
export function readTerms(answer: unknown): { field: string; recorded: string }[] {
  return chunks(texts(answer), 2).map(([field, recorded]) => ({ field: text(field), recorded: text(recorded) }));
}

function purchaseOf(parts: readonly string[]): Purchase {
  const [hold, exchange, state, running, same, micros, until, ending] = parts;
  if (state !== 'held' && state !== 'exposed' && state !== 'settled' && state !== 'voided') throw unreadable();
  return {
    ...{ hold: text(hold), exchange: text(exchange), state, running: running === '1', sameRequest: same === '1' },
    ...{ micros: amount(micros), redeemableUntil: whole(until), ending: readEnding(text(ending)) },
  };
}

function readPlace(key: string, windowStart: number): OpenHold['lines'][number] {
  const line = lineOfKey(key);
  if (!line) throw unreadable();
  return { ...line, windowStart };
}

function readEnding(ending: string): Ending | null {
  return ending === '' ? null : (JSON.parse(ending) as Ending);
}

function readCounted(numbers: readonly string[]): Counted[] {
  return chunks(numbers, 5).map(countedOf);
}

function countedOf([start, newest, settled, held, payments]: readonly string[]): Counted {
  return {
    ...{ windowStart: whole(start), newest: whole(newest) },
    ...{ settled: amount(settled), held: amount(held), payments: whole(payments) },
  };
}

function again(kind: string | undefined, rest: readonly string[]): Again {
  if (kind !== 'again') throw unreadable();
  return { kind, now: whole(rest[0]) };
}

function chunks(items: readonly string[], size: number): string[][] {
  if (items.length % size !== 0) throw unreadable();
  return Array.from({ length: items.length / size }, (_, index) => items.slice(index * size, (index + 1) * size));
}

function texts(answer: unknown): string[] {
  if (!Array.isArray(answer)) throw unreadable();
  return answer.map(text);
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw unreadable();
  return value;
}

function amount(value: unknown): bigint {
  const digits = text(value);
  if (!/^(0|[1-9][0-9]{0,15})$/.test(digits)) throw unreadable();
  return BigInt(digits);
}

function whole(value: unknown): number {
  return Number(amount(value));
}

function unreadable(): Error {
  return new Error('the budget store answered in a form that is not known here');
}
