// `limits.keptAnswers` bounds all memory for paid answers, also of those that are still arriving: a service that feeds
// a hundred buyers one endless answer each must not fill the process.
import { expect, test } from 'vitest';
import { KeptAnswers } from '../../src/inbound/kept-answers.ts';

const KIB = 1_024;
const LIMIT = 64 * KIB;
const head = { status: 200, reason: 'OK', headers: [] };

test('answers that arrive at the same time are kept within one bound', () => {
  const answers = new KeptAnswers(LIMIT);
  const arriving = Array.from({ length: 100 }, (_, n) => answers.begin(`h${n}`));
  let held = 0;
  for (let round = 1; round <= 8; round += 1) {
    for (const keeping of arriving) keeping.add(Buffer.alloc(8 * KIB));
    const fitting = arriving.filter((keeping) => keeping.fits()).length;
    held = Math.max(held, fitting * round * 8 * KIB);
  }
  expect(held).toBeLessThanOrEqual(LIMIT);
});

test('what was given up or kept and taken out leaves its room to the next', () => {
  const answers = new KeptAnswers(LIMIT);
  for (let n = 0; n < 50; n += 1) {
    const cut = answers.begin(`cut${n}`);
    cut.add(Buffer.alloc(40 * KIB));
    cut.drop();
    const large = answers.begin(`large${n}`);
    large.add(Buffer.alloc(80 * KIB));
    expect(large.fits()).toBe(false);
    large.drop();
    const kept = answers.begin(`kept${n}`);
    kept.add(Buffer.alloc(40 * KIB));
    kept.keep(head);
    expect(answers.find(`kept${n}`)?.bytes).toBe(40 * KIB);
    expect(answers.find(`kept${n - 1}`)).toBeUndefined();
    kept.drop();
    kept.drop();
  }
  const last = answers.begin('last');
  last.add(Buffer.alloc(60 * KIB));
  last.keep(head);
  expect(answers.find('last')?.bytes).toBe(60 * KIB);
});
