// What holds when the process dies or the disk does not take writes: real processes, a real limit of the kernel.
import { type ChildProcess, execFileSync, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { exportLines } from '../../src/ledger/export.ts';
import { logEnd, ownKeys } from '../../src/ledger/own-log.ts';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { verifyLog } from '../../src/ledger/verify.ts';
import { openReadOnly } from '../../src/state/database.ts';
import { freshDir } from '../ledger/log.ts';

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function start(dir: string, mode = 'obey'): ChildProcess {
  const child = fork(new URL('./sealing-child.ts', import.meta.url), [dir, mode], {
    stdio: ['ignore', mode === 'loop' ? 'pipe' : 'inherit', 'inherit', 'ipc'],
  });
  children.push(child);
  return child;
}

interface Answer {
  readonly id?: string;
  readonly code?: string;
  readonly message?: string;
  readonly ready?: boolean;
}

async function ask(child: ChildProcess, order: string): Promise<Answer> {
  const answered = once(child, 'message');
  child.send(order);
  const [answer] = await answered;
  return answer;
}

async function opening(child: ChildProcess): Promise<unknown> {
  const [message] = await once(child, 'message');
  return message;
}

async function verifyLive(dir: string) {
  const reader = new LedgerReader(openReadOnly(dir));
  const end = logEnd(reader, dir, Date.now());
  const lines = exportLines(reader.stored({ first: 0, last: end.head.seq }), end);
  const verdict = await verifyLog(lines, { keys: ownKeys(reader, dir), fromStart: true });
  const ids = new Set(Array.from(reader.iterate({}), ({ receipt }) => receipt.id));
  reader.close();
  return { verdict, ids };
}

/** Lets the child seal until it acknowledged `count` more receipts, then kills it; all ids it acknowledged. */
async function killAfter(child: ChildProcess, count: number): Promise<string[]> {
  let text = '';
  child.stdout?.setEncoding('utf8');
  child.stdout?.on('data', (chunk: string) => {
    text += chunk;
    if (text.split('\n').length > count) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return text.split('\n').slice(0, -1);
}

test('after kill -9 every acknowledged receipt is there, the chain verifies, and sealing goes on', async () => {
  const dir = freshDir();
  const acknowledged: string[] = [];
  for (const count of [5, 60, 23]) acknowledged.push(...(await killAfter(start(dir, 'loop'), count)));
  const { verdict, ids } = await verifyLive(dir);
  expect(verdict).toMatchObject({ ok: true });
  expect(acknowledged.length).toBeGreaterThanOrEqual(88);
  expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
});

test('a second process on the same folder is refused and told what to do; it may start after the first', async () => {
  const dir = freshDir();
  const first = start(dir);
  expect(await opening(first)).toBe('open');
  const refused = await opening(start(dir));
  expect(refused).toMatchObject({ code: 'state_locked', message: expect.stringContaining(dir) });
  expect(refused).toMatchObject({ message: expect.stringMatching(/another purser process.*state\.dir/) });
  expect(await ask(first, 'seal')).toMatchObject({ ready: true });
  first.kill('SIGKILL');
  await once(first, 'exit');
  expect(await opening(start(dir))).toBe('open');
});

const limits = spawnSync('prlimit', ['--version']).status === 0;

test.skipIf(!limits)(
  'a disk that is full refuses seals and says not ready; when there is room again both recover',
  async () => {
    const dir = freshDir();
    const child = start(dir);
    expect(await opening(child)).toBe('open');
    const before = await ask(child, 'seal');
    expect(before).toMatchObject({ ready: true });
    const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(child.pid), `--fsize=${bytes}:`]);

    limit('300000');
    // Opening the database anew folds the write-ahead log into it, which can make room once; then nothing fits any
    // more.
    let sealed = 1;
    for (let failures = 0; failures < 2; ) {
      const answer = await ask(child, 'seal');
      if (answer.id === undefined) expect(answer).toEqual({ code: 'ledger_unavailable', ready: false });
      failures = answer.id === undefined ? failures + 1 : 0;
      sealed += answer.id === undefined ? 0 : 1;
    }

    limit('unlimited');
    expect(await ask(child, 'seal')).toMatchObject({ id: `${before.id?.split('.')[0]}.${sealed + 1}`, ready: true });
    const closed = once(child, 'exit');
    child.send('close');
    await closed;
    expect((await verifyLive(dir)).verdict).toMatchObject({ ok: true, last: sealed + 1 });
  },
);
