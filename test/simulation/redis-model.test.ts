// The simulation's Redis against the real one: the same random steps of the store on both, through the same scripts,
// must answer the same and leave the same data behind.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BroughtNames, broughtHold, broughtLine, Places } from '../../src/budget/brought.ts';
import { ClaimHasher } from '../../src/budget/claims.ts';
import { Membership } from '../../src/budget/membership.ts';
import type { RedisCommands, RedisLink } from '../../src/budget/redis-connection.ts';
import { RedisMembers } from '../../src/budget/redis-members.ts';
import { RedisStore } from '../../src/budget/redis-store.ts';
import { NotDone } from '../../src/budget/store.ts';
import { Calendar } from '../../src/budget/windows.ts';
import type { AccountTotal } from '../../src/domain/account.ts';
import { type RedisServer, startRedis } from '../fakes/redis.ts';
import { Chance } from './random.ts';
import { commandsOf } from './redis/link.ts';
import { RedisError, type Reply } from './redis/lua.ts';
import { RedisModel } from './redis/model.ts';
import { HOLDS_MOVE_MS, randomPurchase, randomStep, WINDOWS } from './redis/steps.ts';

let server: RedisServer;
let client: Redis;

beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});

afterAll(async () => {
  client.disconnect();
  await server.stop();
});

/** The gateway's time stands among the arguments of every step, and here the server is told the same. */
const TOLD_TIME = '{ math.floor(tonumber(ARGV[2]) / 1000), tonumber(ARGV[2]) % 1000 * 1000 }';

function linkToReal(): RedisLink {
  const run = async (script: { text: string }, keys: readonly string[], args: readonly string[]) => {
    const told = script.text.replaceAll("redis.call('TIME')", TOLD_TIME);
    const text = told.replaceAll("redis.call('INFO', 'server')", "'run_id:0123456789abcdef'");
    try {
      return await client.eval(text, keys.length, ...keys, ...args);
    } catch (error) {
      throw new NotDone(error instanceof Error ? error.message : '');
    }
  };
  return {
    open: async () => {},
    end: () => {},
    run,
    runReplicated: async (script, keys, args) => ({ answer: await run(script, keys, args), replicas: 0 }),
    command: (send) => send(client),
    dropKeys: async () => {},
  };
}

function linkToModel(model: RedisModel): RedisLink {
  const run = async (script: { text: string }, keys: readonly string[], args: readonly string[]): Promise<Reply> => {
    try {
      return model.script(script.text, keys, args);
    } catch (error) {
      if (error instanceof RedisError) throw new NotDone(error.message);
      throw error;
    }
  };
  const commands: RedisCommands = commandsOf(async (command) => model.command(command));
  return {
    open: async () => {},
    end: () => {},
    run,
    runReplicated: async (script, keys, args) => ({ answer: await run(script, keys, args), replicas: 0 }),
    command: (send) => send(commands),
    dropKeys: async () => {},
  };
}

test('answers and data are those of a real server over thousands of random steps', async () => {
  const start = Date.now() - (Date.now() % HOLDS_MOVE_MS);
  let passed = 0;
  const now = () => start + passed;
  const clock = { now, monotonic: now };
  const model = new RedisModel(now);
  const options = { namespace: 'same', replicas: 0, clock, repeatWindowMs: 5_000, closedMs: 0, sealed: () => 0 };
  const joined = async (link: RedisLink) => {
    const membership = new Membership('a', 'a:life');
    const members = new RedisMembers({ ...options, membership }, link);
    const stand = await members.join(0, []);
    if (!('name' in stand)) throw new Error('the store is somebody else’s');
    await bring(members, start);
    await members.attest(stand, 'a', 'itself');
    membership.enter(1);
    return new RedisStore({ ...options, membership }, link, () => link);
  };
  const [real, simulated] = [await joined(linkToReal()), await joined(linkToModel(model))];
  const chance = new Chance('the same steps');
  const seen = new Map<string, number>();
  for (let done = 0; done < 4_000; done += 1) {
    passed += chance.happens(0.02) ? chance.between(1_000, 8_000) : chance.between(0, 40);
    const { name, argument } = randomStep(chance, now());
    const [ours, theirs] = await Promise.all([told(simulated, name, argument), told(real, name, argument)]);
    expect({ step: done, name, answer: ours }).toEqual({ step: done, name, answer: theirs });
    const kind = `${name} ${kindOf(ours)}`;
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
    if (done % 200 === 199) expect(dumpOf(model)).toEqual(await dumpOfReal());
  }
  for (const kind of EXPECTED) expect([kind, (seen.get(kind) ?? 0) > 0]).toEqual([kind, true]);
});

/** Brings the same random purchases of an hour, some of them once more, and what they hold, as a rebuild does. */
async function bring(members: RedisMembers, now: number): Promise<void> {
  const chance = new Chance('the same purchases');
  const [places, hasher] = [new Places(WINDOWS, new Calendar('UTC'), now), new ClaimHasher(new Uint8Array(32))];
  const names = new BroughtNames(hasher);
  const purchases = Array.from({ length: 60 }, () => randomPurchase(chance, now));
  const brought = purchases.map((purchase) => broughtHold(places, names, purchase));
  const totals = new Map<string, AccountTotal>();
  for (const { lines, micros } of purchases.filter(({ state }) => state === 'exposed')) {
    for (const line of lines) {
      const sum = totals.get(JSON.stringify(line)) ?? { ...line, settled: 0n, held: 0n, payments: 0 };
      totals.set(JSON.stringify(line), { ...sum, held: sum.held + micros, payments: sum.payments + 1 });
    }
  }
  const lines = [...totals.values()].map((total) => broughtLine(places, total));
  for (const mark of [1, 1]) await members.bringLines(1, { log: 'a', how: 'told', mark }, lines);
  await members.bringHolds(1, brought.slice(0, 40));
  await members.bringHolds(1, brought.slice(20));
}

const EXPECTED = [
  ...['held', 'exceeded', 'repeat', 'challenge_taken', 'identity_taken', 'paused', 'stopped', 'again'].map(
    (kind) => `hold ${kind}`,
  ),
  ...['exposed', 'lapsed', 'stopped'].map((kind) => `expose ${kind}`),
];

/** A step's answer, or what its error says, without the place in the script that Redis adds. */
async function told(store: RedisStore, name: string, argument: unknown): Promise<unknown> {
  const step = Reflect.get(store, name) as (argument: unknown) => Promise<unknown>;
  try {
    const answer = await step.call(store, argument);
    return name === 'openHolds' || name === 'scopes' ? JSON.stringify(sorted(answer), bigints) : answer;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const said = error.message.replace(/^ERR /, '').replace(/^user_script:\d+: /, '');
    return `refused: ${said.replace(/ script: [0-9a-f]+.*$/, '')}`;
  }
}

const bigints = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}` : value);
const sorted = (answer: unknown): unknown => (Array.isArray(answer) ? [...answer].sort(byText) : answer);
const byText = (a: unknown, b: unknown): number => (JSON.stringify(a, bigints) < JSON.stringify(b, bigints) ? -1 : 1);

function kindOf(answer: unknown): string {
  return typeof answer === 'object' && answer !== null && 'kind' in answer ? String(answer.kind) : typeof answer;
}

type Dump = Record<string, unknown>;

/** When a key goes; a real server counts the relative times (heartbeats, rolling lines) by its own clock. */
const goesAt = (key: string, at: number): number | string => (/:(b|l:rolling):/.test(key) ? 'some time' : at);

/** Everything, ordered. */
function dumpOf(model: RedisModel): Dump {
  const dump: Dump = {};
  for (const [key, entry] of [...model.data].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const content =
      entry.type === 'string'
        ? entry.text
        : entry.type === 'hash'
          ? Object.fromEntries([...entry.fields].sort())
          : entry.type === 'set'
            ? [...entry.members].sort()
            : [...entry.scores].sort(([a], [b]) => (a < b ? -1 : 1)).map(([member, score]) => [member, String(score)]);
    dump[key] = { content, goes: entry.expiresAt === null ? null : goesAt(key, entry.expiresAt) };
  }
  return dump;
}

async function dumpOfReal(): Promise<Dump> {
  const dump: Dump = {};
  for (const key of (await client.keys('*')).sort()) {
    const goes = Number(await client.pexpiretime(key));
    const content = await contentOf(key);
    dump[key] = { content, goes: goes < 0 ? null : goesAt(key, goes) };
  }
  return dump;
}

async function contentOf(key: string): Promise<unknown> {
  const type = await client.type(key);
  if (type === 'string') return client.get(key);
  if (type === 'hash') return Object.fromEntries(Object.entries(await client.hgetall(key)).sort());
  if (type === 'set') return (await client.smembers(key)).sort();
  const flat = await client.zrange(key, '0', '-1', 'WITHSCORES');
  const pairs = flat.flatMap((member, index) => (index % 2 === 0 ? [[member, flat[index + 1] ?? '']] : []));
  return pairs.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}
