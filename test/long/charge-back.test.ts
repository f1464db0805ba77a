// The long form of the charge-back test: ten thousand purchases.
import { test } from 'vitest';
import { chargeBack } from '../support/charge-back.ts';

test('after ten thousand purchases the report, the budgets and the books of the merchants agree', async () => {
  await chargeBack(10_000);
});
