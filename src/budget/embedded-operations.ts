// The embedded budget store: each step as one synchronous piece of work on the state database. Its caller runs it in a
// transaction and rolls back what it wrote when it throws.
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../domain/clock.ts';
import type { OpenHold, Purchase, Stop } from '../domain/hold.ts';
import type { Operation, Operations } from '../domain/operations.ts';
import type { ClaimTimes } from './budget.ts';
import { EmbeddedClock } from './embedded-clock.ts';
import { EmbeddedHolds } from './embedded-holds.ts';
import { EmbeddedStops, EmbeddedTerms } from './embedded-orders.ts';
import { openHold } from './embedded-rows.ts';
import { createTables } from './embedded-schema.ts';
import type { StepName, Store } from './store.ts';

/** What the embedded store is made with, inside the state thread. */
export interface EmbeddedOptions extends ClaimTimes {
  readonly clock: Clock;
}

/** Each step of a store, done at once instead of promised. */
export type EmbeddedSteps = {
  readonly [Name in StepName]: (argument: Parameters<Store[Name]>[0]) => Awaited<ReturnType<Store[Name]>>;
};

/** What no receipt could bring back after a power failure: orders of operators and the recorded terms. */
const DURABLE: ReadonlySet<string> = new Set<StepName>(['stop', 'start', 'agree']);

/**
 * The operations `budget.<step>` on one database; makes the tables when they are not there. The steps of purchases are
 * not durable by themselves: the seals that follow sync the same file.
 */
export function embeddedOperations(db: DatabaseSync, options: EmbeddedOptions): Operations {
  const steps = embeddedSteps(db, options);
  const named = Object.entries(steps).map(([name, run]): [string, Operation] => [
    `budget.${name}`,
    // The argument was made by StoreBudget, which shares its type with the step of that name.
    { durable: DURABLE.has(name), run: run as (argument: unknown) => unknown },
  ]);
  return Object.fromEntries(named);
}

function embeddedSteps(db: DatabaseSync, options: EmbeddedOptions): EmbeddedSteps {
  createTables(db);
  const clock = new EmbeddedClock(db, options.clock);
  const stops = new EmbeddedStops(db);
  const terms = new EmbeddedTerms(db);
  const holds = new EmbeddedHolds(db, stops, options.repeatWindowMs);
  return {
    hold: (step) => holds.hold(step, clock.tick()),
    expose: (step) => holds.expose(step.hold, step.runForMs, clock.tick()),
    end: (step) => holds.end(step.hold, step.as, clock.tick()),
    close: ({ closings }) => {
      const now = clock.tick();
      for (const { hold, ending, whole } of closings) holds.close(hold, ending, whole, now);
    },
    leave: (step) => {
      clock.tick();
      holds.leave(step.hold);
    },
    lookUp: (step): Purchase | undefined => holds.lookUp(step, clock.now()),
    beat: (step) => holds.beat(step.run, clock.tick()),
    lines: (step) => holds.counters.read(step.lines, clock.now()),
    scopes: (step) => holds.counters.scopes(step.line, step.most, clock.now()),
    openHolds: (step): OpenHold[] => {
      const now = clock.now();
      const { log, known } = step;
      const wanted = (id: string) => (log === null || id.startsWith(`${log}.`)) && !known?.has(id);
      const rows = holds.rows.open().filter(({ id }) => wanted(id));
      return rows.map((row) => openHold(row, holds.repeats.isRunning(row, now)));
    },
    takeAbandoned: () => [],
    released: (step): string[] => step.holds.filter((id) => holds.wasReleased(id)),
    spokenFor: () => [],
    stop: (step) => stops.stop({ ...step, at: clock.tick() }),
    start: (step) => stops.start(step.kind, step.id),
    stops: (): Stop[] => stops.all(),
    agree: (step) => terms.agree(step.fields),
    ping: () => void clock.now(),
  };
}
