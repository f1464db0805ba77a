import { test } from 'vitest';
import { chargeBack } from '../support/charge-back.ts';

test('after a few hundred purchases the report, the budgets and the books of the merchants agree', async () => {
  await chargeBack(400);
});
