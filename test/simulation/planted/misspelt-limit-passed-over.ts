// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A limit whose name has a mistake is passed over, and what it asks for is bought.',
  seed: 50,
  changes: [
    {
      file: 'src/inbound/agent-request.ts',
      find: 'if (meant) return refuse(',
      put: "if (meant === 'none') return refuse(",
    },
  ],
};
