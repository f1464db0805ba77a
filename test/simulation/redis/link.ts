// The plain commands that the store sends beside its scripts, in terms of a model's.
import type { RedisCommands } from '../../../src/budget/redis-connection.ts';
import type { Reply } from './lua.ts';

/** The commands over whoever carries them out. */
export function commandsOf(send: (command: readonly string[]) => Promise<Reply>): RedisCommands {
  return {
    zrange: async (key, start, stop) => texts(await send(['ZRANGE', key, start, stop])),
    hdel: async (key, field) => Number(await send(['HDEL', key, field])),
    hgetall: async (key) => {
      const flat = texts(await send(['HGETALL', key]));
      return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])));
    },
  };
}

function texts(reply: Reply): string[] {
  if (!Array.isArray(reply)) throw new Error('a list was expected');
  return reply.map(String);
}
