// The Lua steps as they are sent: constants, what a step builds on, and the step, read once at start.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  COUNTER_STAYS_MS,
  HEARD_MS,
  IDENTITY_STAYS_MS,
  KEY_STAYS_MS,
  MAX_SKEW_MS,
  RELEASED_STAYS_MS,
  SILENT_MS,
  SWEEP,
  WHOLE_STAYS_MS,
} from './store.ts';

/** One step in Lua, and the name Redis knows it by. */
export interface Script {
  readonly text: string;
  /** SHA-1 in hex, as EVALSHA wants it. */
  readonly sha: string;
}

const CONSTANTS = {
  HEARD: HEARD_MS,
  SKEW: MAX_SKEW_MS,
  KEY_STAYS: KEY_STAYS_MS,
  IDENTITY_STAYS: IDENTITY_STAYS_MS,
  COUNTER_STAYS: COUNTER_STAYS_MS,
  RELEASED_STAYS: RELEASED_STAYS_MS,
  WHOLE_STAYS: WHOLE_STAYS_MS,
  SILENT: SILENT_MS,
  SWEEP_HOLD: SWEEP.hold,
  SWEEP_BEAT: SWEEP.beat,
};

/** Every step of the Redis store. */
export const SCRIPTS = {
  hold: fenced('counting', 'ends', 'repeats', 'hold'),
  expose: fenced('ends', 'expose'),
  end: fenced('ends', 'end'),
  close: fenced('ends', 'close'),
  leave: fenced('ends', 'leave'),
  lookUp: fenced('look-up'),
  beat: fenced('ends', 'beat'),
  lines: fenced('counting', 'lines'),
  scopes: fenced('counting', 'scopes'),
  openHolds: fenced('open-hold', 'open-holds'),
  takeAbandoned: fenced('open-hold', 'take-abandoned'),
  released: fenced('released'),
  say: fenced('say'),
  stop: script('common', 'stop'),
  agree: script('common', 'agree'),
  join: script('common', 'server', 'generation', 'join'),
  bringOrder: script('common', 'server', 'generation', 'bring-order'),
  bringLines: script('common', 'server', 'generation', 'counting', 'bringing', 'bring-lines'),
  bringHolds: script('common', 'server', 'generation', 'counting', 'ends', 'bringing', 'bring-holds'),
  attest: script('common', 'server', 'generation', 'counting', 'bringing', 'attest'),
} as const;

/** A step on data: it does nothing unless the store has all that its gateway knows that it had. */
function fenced(...files: readonly string[]): Script {
  return script('common', 'server', 'fence', ...files);
}

function script(...files: readonly string[]): Script {
  const constants = Object.entries(CONSTANTS).map(([name, value]) => `local ${name} = ${value}`);
  const parts = files.map((file) => readFileSync(new URL(`./${file}.lua`, import.meta.url), 'utf8'));
  const text = [...constants, ...parts].join('\n');
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}
