// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A gateway does not notice that the shared store has forgotten what it acknowledged.',
  store: 'redis',
  seed: 203,
  changes: [
    {
      file: 'src/budget/fence.lua',
      find: `  if epoch[3] ~= server() then lost('another server answers than the one that was counted on') end
`,
      put: '',
    },
    {
      file: 'src/budget/fence.lua',
      find: `  if KEPT < KNOWN then lost('writes that the store had acknowledged are missing') end
`,
      put: '',
    },
  ],
};
