// The long form of the race for one slot: twenty rounds of every kind.
process.env.PURSER_TEST_ROUNDS = '20';
await import('../threats/conc-one-slot.test.ts');
