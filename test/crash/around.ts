// What is put around the real parts of a gateway that shall die at a named moment: each wrapper says which moments are
// reached, and changes nothing else.
import type { DatabaseSync, SQLInputValue, StatementResultingChanges } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import type { Budget } from '../../src/budget/budget.ts';
import type { RedisBudgetOptions, SharedBudget } from '../../src/budget/redis-budget.ts';
import type { BroughtHold, RedisMembers as Members } from '../../src/budget/redis-members.ts';
import type { Notes } from '../../src/domain/account.ts';
import type { Service } from '../../src/exchange/parts.ts';
import type { Evidences } from '../../src/gateway/evidence.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { EvidenceSource } from '../../src/rail/evidence.ts';
import type { Wallet } from '../../src/rail/rail.ts';
import type { Call } from '../../src/state/message.ts';
import { reach } from './reach.ts';

/** The steps of a budget whose moments have names, with what the moment after each is called. */
const STEPS: ReadonlyMap<string, string> = new Map([
  ['hold', 'held'],
  ['expose', 'exposed'],
  ['settle', 'settled'],
  ['void', 'voided'],
  ['close', 'closed'],
  ['closeAll', 'closed'],
]);

/** The same object, but for these methods. */
function withMethods<T extends object>(real: T, methods: Partial<T>): T {
  return new Proxy(real, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name);
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function budgetOf(real: Budget): Budget {
  const stepped = [...STEPS].map(([step, done]) => {
    const run = Reflect.get(real, step).bind(real);
    // One moment, whether a purchase closes its hold or recovery those of many.
    const sent = `${step.replace(/All$/, '')} sent`;
    return [step, (...given: unknown[]) => sentAndDone(sent, run(...given), done)];
  });
  return withMethods(real, Object.fromEntries(stepped));
}

/** On its way for a turn, and whoever asked has not seen the answer, however quick that was; then it is seen. */
async function sentAndDone<T>(sent: string, answer: Promise<T>, done: string): Promise<T> {
  // A refusal may come before anybody waits for it.
  answer.catch(() => {});
  await nextTurn();
  reach(sent);
  const result = await answer;
  reach(done);
  return result;
}

/** Around `embeddedBudget`. */
export const embeddedBudget =
  (real: (...given: unknown[]) => Budget) =>
  (...given: unknown[]): Budget =>
    budgetOf(real(...given));

/** Around `openRedisBudget`. */
export const openRedisBudget =
  (real: (options: RedisBudgetOptions) => Promise<SharedBudget>) =>
  async (options: RedisBudgetOptions): Promise<SharedBudget> => {
    const shared = await real({ ...options, notes: notesOf(options.notes) });
    return { ...shared, budget: budgetOf(shared.budget) };
  };

function notesOf(real: Notes): Notes {
  return withMethods(real, {
    write: async (notes) => {
      if ('generation' in notes) reach('generation before note');
      await real.write(notes);
      if ('generation' in notes) reach('generation noted');
    },
  });
}

/** Around `RedisMembers`. */
export const RedisMembers = (Real: new (...given: unknown[]) => Members) =>
  new Proxy(Real, { construct: (made, given) => membersOf(new made(...given)) });

/** The steps of a rebuild. Holds are brought in two halves, so that there is a moment between them. */
function membersOf(real: Members): Members {
  return withMethods(real, {
    join: async (sealed, peers) => {
      const stand = await real.join(sealed, peers);
      if (stand.kind === 'bring') reach('generation begun');
      return stand;
    },
    agree: async (fields) => {
      await real.agree(fields);
      reach('terms brought');
    },
    bringOrder: async (...given) => {
      await real.bringOrder(...given);
      reach('order brought');
    },
    bringHolds: async (generation, holds: readonly BroughtHold[]) => {
      const half = Math.ceil(holds.length / 2);
      await sentAndDone('holds sent', real.bringHolds(generation, holds.slice(0, half)), 'holds half brought');
      await real.bringHolds(generation, holds.slice(half));
      reach('holds brought');
    },
    bringLines: (generation, whose, lines) => {
      const what = whose.how === 'told' ? 'totals' : 'guess';
      return sentAndDone(`${what} sent`, real.bringLines(generation, whose, lines), `${what} brought`);
    },
    attest: (generation, log, how) => {
      const whose = how === 'itself' ? '' : ' for another';
      return sentAndDone(`attest${whose} sent`, real.attest(generation, log, how), `attested${whose}`);
    },
  });
}

/** Around `openLedger`. */
export const openLedger =
  (real: (...given: unknown[]) => Promise<Ledger>) =>
  async (...given: unknown[]): Promise<Ledger> => {
    const ledger = await real(...given);
    const words = new Map<number, string>();
    return withMethods(ledger, {
      seal: async (entry) => {
        reach(`${wordFor(entry.kind)} before seal`);
        const sealed = await ledger.seal(entry);
        words.set(sealed.receipt.seq, wordFor(entry.kind));
        reach(`${wordFor(entry.kind)} sealed`);
        return sealed;
      },
      endIntents: async (end) => {
        reach('outcome before seal');
        const sealed = await ledger.endIntents(end);
        for (const { receipt } of sealed) words.set(receipt.seq, 'outcome');
        reach('outcome sealed');
        return sealed;
      },
      applied: async (...seqs) => {
        reach(`${words.get(seqs[0] ?? 0)} before mark`);
        await ledger.applied(...seqs);
      },
    });
  };

const OUTCOMES = ['settled', 'voided', 'uncertain', 'resolved'];
const wordFor = (kind: string): string => (OUTCOMES.includes(kind) ? 'outcome' : kind);

/** Around `openConfiguredWallets`. */
export const openConfiguredWallets =
  (real: (...given: unknown[]) => Promise<Wallet[]>) =>
  async (...given: unknown[]): Promise<Wallet[]> =>
    (await real(...given)).map((wallet) =>
      withMethods(wallet, {
        prove: async (payment, asset) => {
          const proof = await wallet.prove(payment, asset);
          reach('proof made');
          return proof;
        },
      }),
    );

/** Around `openServices`. */
export const openServices =
  (real: (...given: unknown[]) => Map<string, Service>) =>
  (...given: unknown[]): Map<string, Service> => {
    const services = real(...given);
    for (const { pool } of services.values()) watchProofs(pool);
    return services;
  };

function watchProofs(pool: Dispatcher): void {
  const dispatch = pool.dispatch.bind(pool);
  pool.dispatch = (options, handler) => dispatch(options, carriesProof(options) ? followed(handler) : handler);
}

function carriesProof({ headers }: Dispatcher.DispatchOptions): boolean {
  return Array.isArray(headers) && headers.some((value) => /^Payment /i.test(String(value)));
}

function followed(handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  let isSent = false;
  const sent = (): void => {
    if (!isSent) reach('proof sent');
    isSent = true;
  };
  return withMethods(handler, {
    onRequestStart(...given) {
      handler.onRequestStart?.(...given);
      setImmediate(sent);
    },
    onResponseStart(...given) {
      sent();
      if (given[1] >= 200) reach('answer head received');
      handler.onResponseStart?.(...given);
    },
  });
}

/** Around `openEvidence`. */
export const openEvidence =
  (real: (...given: unknown[]) => Evidences) =>
  (...given: unknown[]): Evidences => {
    const evidences = real(...given);
    return withMethods(evidences, {
      of: (network, service) => {
        const source = evidences.of(network, service);
        return source && withMethods(source, { evidence: (...asked) => seen(source.evidence(...asked)) });
      },
    });
  };

async function seen(evidence: ReturnType<EvidenceSource['evidence']>): ReturnType<EvidenceSource['evidence']> {
  const found = await evidence;
  if (found.verdict !== 'unknown') reach('evidence seen');
  return found;
}

/** What the batch that is being written seals; the state thread has one batch at a time. */
let sealing: readonly string[] = [];

/** Steps of the ledger that seal nothing of a purchase. */
const STEPS_OF_LEDGER: ReadonlyMap<string, string[]> = new Map([
  ['ledger.rotate', ['rotation']],
  ['ledger.retire', ['retirement']],
  ['ledger.roll', ['copy']],
]);

/** Statements by which a segment takes the place of receipts, where they change anything. */
const MOVES: readonly (readonly [string, string])[] = [
  ['INSERT INTO segments', 'segment'],
  ['DELETE FROM receipts', 'removal'],
];

interface Runner {
  run(calls: readonly Call[]): unknown;
}

/** Around `BatchRunner`. */
export const BatchRunner = (Real: new (...given: never[]) => Runner) =>
  class extends Real {
    override run(calls: readonly Call[]): unknown {
      sealing = calls.flatMap(({ operation, argument }) => {
        if (operation === 'ledger.seal') return [wordFor(String(Reflect.get(Object(argument), 'kind')))];
        return STEPS_OF_LEDGER.get(operation) ?? [];
      });
      const replies = super.run(calls);
      sealing = [];
      return replies;
    }
  };

/** Around `openDatabase`: a commit has a moment before it and one when it is on the disk. */
export const openDatabase =
  (real: (...given: unknown[]) => DatabaseSync) =>
  (...given: unknown[]): DatabaseSync => {
    const db = real(...given);
    const prepare = db.prepare.bind(db);
    db.prepare = (sql, ...more) => {
      const statement = prepare(sql, ...more);
      const run = statement.run.bind(statement);
      const [, move] = MOVES.find(([start]) => sql.startsWith(start)) ?? [];
      if (move !== undefined) return Object.assign(statement, { run: noted(run, move) });
      if (sql !== 'COMMIT') return statement;
      const around = () => {
        for (const word of sealing) reach(`${word} before commit`);
        const result = run();
        for (const word of sealing) reach(`${word} durable`);
        return result;
      };
      return Object.assign(statement, { run: around });
    };
    return db;
  };

type Run = (...given: SQLInputValue[]) => StatementResultingChanges;

/** What it moves has its moments at the commit. */
function noted(run: Run, move: string): Run {
  return (...given) => {
    const result = run(...given);
    if (result.changes > 0) sealing = [...sealing, move];
    return result;
  };
}

/** Around `makeNextKey`. */
export const makeNextKey =
  <T>(real: (...given: unknown[]) => T) =>
  (...given: unknown[]): T => {
    const key = real(...given);
    reach('next key made');
    return key;
  };
