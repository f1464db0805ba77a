// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A payment without an answer is taken for one that was never made.',
  seed: 6,
  changes: [
    {
      file: 'src/exchange/payment.ts',
      find: `      return uncertain(parts, finisher, payment, 'payment_uncertain', null);
    case 'unsent':`,
      put: `      return neverSent(parts, finisher, payment, forwarded.why);
    case 'unsent':`,
    },
  ],
};
