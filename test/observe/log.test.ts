// What reaches standard output: the listed members and nothing else, buffered but never lost at a flush.
import { mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Receipt } from '../../src/domain/receipt.ts';
import { errorFacts, type Log, openLog } from '../../src/observe/log.ts';

const CANARY = 'canary-7d1f';

function logged(write: (log: Log) => void): { lines: Record<string, unknown>[]; text: string } {
  const file = join(mkdtempSync(join(tmpdir(), 'purser-log-')), 'out');
  const log = openLog({ fd: openSync(file, 'w') }, 'debug');
  write(log);
  log.flush();
  const text = readFileSync(file, 'utf8');
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  return { lines, text };
}

const receipt: Receipt = {
  v: 1,
  log: 'gw',
  seq: 3,
  prev: '0'.repeat(64),
  at: '2026-11-23T10:00:00.000Z',
  id: 'gw.3',
  kind: 'settled',
  exchange: 'e1',
  trace: 'a'.repeat(32),
  agent: { id: 'research-1', subject: `${CANARY}-subject`, issuer: 'i', jti: CANARY, owner: 'dana', team: 'research' },
  service: { id: 'weather' },
  request: { method: 'GET', path: `/${CANARY}`, from: CANARY },
  claim: { repeat: 'b'.repeat(64) },
  hold: {
    id: 'gw.h1',
    wallet: 'play',
    amount: '0.010000',
    fee: '0.000000',
    budgets: [{ id: 'day', scope: `["${CANARY}"]`, window: '2026-11-23T00:00:00.000Z' }],
  },
  settlement: { evidence: 'answered', reference: CANARY },
};

test('a receipt line says who, what and how much, and nothing of the request, claim, scope or settlement', () => {
  const { lines, text } = logged((log) => log.receipt(receipt));
  const [{ time, ...line } = {}] = lines;
  expect(time).toMatch(/^\d{4}-/);
  expect(line).toEqual({
    level: 'info',
    msg: 'receipt',
    id: 'gw.3',
    exchange: 'e1',
    kind: 'settled',
    agent: 'research-1',
    owner: 'dana',
    team: 'research',
    service: 'weather',
    amount: '0.010000',
    budget: ['day'],
    trace: 'a'.repeat(32),
  });
  expect(text).not.toContain(CANARY);
});

test('members that are not listed are left out of every kind of line, whatever the caller hands over', () => {
  const access = {
    method: 'GET',
    service: 's',
    status: 200,
    code: null,
    agent: 'a',
    ms: 1.23456,
    exchange: 'e',
    trace: null,
  };
  const { lines, text } = logged((log) => {
    log.access(Object.assign({}, access, { path: CANARY, headers: { authorization: CANARY } }));
    log.event('warn', 'store lost', Object.assign({ count: 2 }, { token: CANARY }));
    const error = Object.assign({ name: 'Error' }, { message: CANARY });
    log.event('error', 'unexpected', { error });
  });
  expect(lines.map(({ msg }) => msg)).toEqual(['access', 'store lost', 'unexpected']);
  expect(lines[0]?.ms).toBe(1.235);
  expect(text).not.toContain(CANARY);
});

test('an unexpected error is named by class, code and place, never by its message', () => {
  const error = Object.assign(new TypeError(`${CANARY}\n    at x (/a/src/${CANARY}.ts:1:1)`), { code: 'E_BAD' });
  const facts = errorFacts(error);
  expect(facts).toMatchObject({ name: 'TypeError', code: 'E_BAD' });
  expect(JSON.stringify(facts)).not.toContain(CANARY);
  expect(errorFacts(CANARY)).toEqual({ name: 'string' });
  expect(JSON.stringify(errorFacts(Object.assign(new Error('x'), { code: `a ${CANARY}` })))).not.toContain(CANARY);
});

test('thousands of lines are all there, in order and whole, after a flush', () => {
  const { lines } = logged((log) => {
    for (let count = 0; count < 5_000; count++) log.event('info', 'tick', { count });
  });
  expect(lines.map(({ count }) => count)).toEqual(Array.from({ length: 5_000 }, (_, index) => index));
});

test('a line that nobody flushes is written within moments all the same', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'purser-log-')), 'out');
  const log = openLog({ fd: openSync(file, 'w') });
  log.event('info', 'listening');
  log.event('debug', 'not at this level');
  await expect.poll(() => readFileSync(file, 'utf8')).toContain('"listening"');
  expect(readFileSync(file, 'utf8')).not.toContain('not at this level');
});

test('a silent log writes nothing and fails at nothing', () => {
  const log = openLog('silent');
  log.receipt(receipt);
  log.event('error', 'x');
  log.flush();
});

test('each flush hands on what was written before it, whole and in order', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'purser-log-')), 'out');
  const log = openLog({ fd: openSync(file, 'w') });
  for (let n = 0; n < 20; n += 1) {
    log.event('info', `line ${n}`);
    log.flush();
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(
      Array.from({ length: n + 1 }, (_, index) => `line ${index}`),
    );
  }
});
