// The store's own Lua scripts, run as Redis runs them, with `redis.call` over a model of the commands.
import { type Compiled, compile } from './lua-compile.ts';
import { LuaError, LuaTable, type LuaValue, numberText, tableOf } from './lua-values.ts';

/** What Redis answers: an array may hold nulls. */
export type Reply = string | number | null | { readonly ok: string } | Reply[];

/** A refusal of Redis itself. */
export class RedisError extends Error {}

const COMPILED = new Map<string, Compiled>();

/** Runs a script; `call` carries out a command or throws a {@link RedisError}. Throws one when the script raises. */
export function runScript(
  text: string,
  keys: readonly string[],
  args: readonly string[],
  call: (command: string[]) => Reply,
): Reply {
  let script = COMPILED.get(text);
  if (!script) {
    script = compile(text);
    COMPILED.set(text, script);
  }
  const redis = new LuaTable();
  redis.set('call', (...command) => [fromReply(carriedOut(call, command))]);
  const globals = new Map<string, LuaValue>([
    ['KEYS', tableOf(keys)],
    ['ARGV', tableOf(args)],
    ['redis', redis],
  ]);
  try {
    return toReply(script(globals)[0]);
  } catch (error) {
    if (error instanceof LuaError) throw new RedisError(error.message);
    throw error;
  }
}

function carriedOut(call: (command: string[]) => Reply, command: readonly LuaValue[]): Reply {
  try {
    return call(command.map(argumentOf));
  } catch (error) {
    if (error instanceof RedisError) throw new LuaError(error.message);
    throw error;
  }
}

function argumentOf(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  throw new LuaError('ERR Lua redis lib command arguments must be strings or integers');
}

function fromReply(reply: Reply): LuaValue {
  if (reply === null) return false;
  if (typeof reply === 'string' || typeof reply === 'number') return reply;
  if (Array.isArray(reply)) return tableOf(reply.map(fromReply));
  const status = new LuaTable();
  status.set('ok', reply.ok);
  return status;
}

/** A script's result as Redis answers it: numbers are cut, a table ends at its first nil, false is null. */
function toReply(value: LuaValue): Reply {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return Math.trunc(value);
  if (value === true) return 1;
  if (!(value instanceof LuaTable)) return null;
  const status = value.get('ok');
  if (typeof status === 'string') return { ok: status };
  const end = value.list.indexOf(undefined);
  return value.list.slice(0, end < 0 ? undefined : end).map(toReply);
}
