// What every Lua step is told before its own arguments, and how lines stand among those.
import { MAX_MICROS } from '../domain/money.ts';
import type { Membership } from './membership.ts';
import type { GenerationKeys, RedisKeys } from './redis-keys.ts';
import type { LineStep } from './store.ts';

/**
 * What every step begins with: the clock's key; then prefix, this gateway's time, how long ended purchases stand, the
 * generation, and whose step this is with its mark and the highest that was acknowledged.
 */
export function framed(
  keys: RedisKeys,
  frame: { now: number; windowMs: number; generation: string; membership: Membership; mark: number },
  stepKeys: readonly string[],
  args: readonly string[],
): [string[], string[]] {
  const { log, life, acknowledged } = frame.membership;
  const times = [`${Math.floor(frame.now)}`, `${frame.windowMs}`];
  const whose = [frame.generation, log, life, `${frame.mark}`, `${acknowledged}`];
  return [
    [keys.clock, ...stepKeys],
    [keys.prefix, ...times, ...whose, ...args],
  ];
}

/** A line as the steps that count take it; its key is told apart. */
export function lineArgs(keys: GenerationKeys, line: Omit<LineStep, 'scope'>, scope: string): string[] {
  const { window, limitMicros, limitPayments } = line;
  if (limitMicros > MAX_MICROS) throw new RangeError('a limit is at most 2^53-1 micro-units');
  const bounds =
    window.kind === 'calendar'
      ? [`${window.start}`, `${window.end ?? ''}`, '0', '0']
      : ['', '', `${window.partMs}`, `${window.lengthMs}`];
  return [keys.index(line.budget), scope, ...bounds, `${limitMicros}`, `${limitPayments ?? ''}`];
}
