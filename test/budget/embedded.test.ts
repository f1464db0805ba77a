// The embedded store keeps the budget contract, and what only it can break: its clock and its tables.
import { budgetContract } from '../contracts/budget.ts';
import { embeddedHouse } from './embedded-house.ts';

budgetContract('embedded', async () => embeddedHouse());
