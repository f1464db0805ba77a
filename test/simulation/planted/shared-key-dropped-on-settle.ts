// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'An Idempotency-Key is free again once its purchase is settled, in the shared store.',
  store: 'redis',
  seed: 27,
  changes: [
    {
      file: 'src/budget/ends.lua',
      find: `    if hold.key ~= '' then redis.call('PEXPIREAT', T .. 'k:' .. hold.key, text(now + KEY_STAYS)) end`,
      put: `    if hold.key ~= '' then redis.call('DEL', T .. 'k:' .. hold.key) end`,
    },
  ],
};
