// The policy folder: which files count, and changes that are taken up whole, once, and only when they stand still.
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { type LoadedPolicies, loadPolicies } from '../../src/policy/load.ts';
import { watchPolicies } from '../../src/policy/watch.ts';
import { folderWith } from '../config/folder.ts';
import { BUDGETS, CONTEXT, entitlement, POLICY, REGISTER } from './sets.ts';

const RULES = `entitlements:\n${entitlement()}`;

test('all *.yaml directly in the folder count: links are followed, dots and folders below are not', () => {
  const folder = folderWith({
    'real/rules.yaml': RULES,
    'set/a.yaml': REGISTER,
    'set/b.yaml': BUDGETS,
    'set/.hidden.yaml': 'nonsense: 1\n',
    'set/below/c.yaml': 'nonsense: 1\n',
    'set/notes.txt': 'nonsense',
  });
  symlinkSync(join(folder, 'real'), join(folder, 'set/..data'));
  symlinkSync('..data/rules.yaml', join(folder, 'set/rules.yaml'));
  const { set } = loadPolicies([join(folder, 'set')], CONTEXT);
  expect(set?.entitlements.map(({ id }) => id)).toEqual(['buy']);
});

test('a folder without policies, a missing one and a *.yml are told', () => {
  const folder = folderWith({ 'a.yml': POLICY });
  const { set, problems } = loadPolicies([folder], CONTEXT);
  expect(set).toBeUndefined();
  expect(problems.map(({ severity }) => severity).sort()).toEqual(['error', 'warning']);
  expect(loadPolicies([join(folder, 'none')], CONTEXT).problems[0]?.message).toContain('cannot be read');
  mkdirSync(join(folder, 'x.yaml'));
  expect(loadPolicies([folder], CONTEXT).problems.some(({ message }) => message.includes('not a file'))).toBe(true);
});

test('CONF-15 a policy that anybody can change is refused', () => {
  const folder = folderWith({ 'a.yaml': POLICY });
  chmodSync(join(folder, 'a.yaml'), 0o666);
  expect(loadPolicies([folder], CONTEXT).problems[0]?.message).toContain('chmod o-w');
  chmodSync(join(folder, 'a.yaml'), 0o600);
  chmodSync(folder, 0o777);
  expect(loadPolicies([folder], CONTEXT).set).toBeUndefined();
});

async function watching(
  files: Record<string, string>,
  work: (folder: string, seen: LoadedPolicies[]) => Promise<void>,
) {
  const folder = folderWith(files);
  const seen: LoadedPolicies[] = [];
  const watch = watchPolicies([folder], CONTEXT, (loaded) => seen.push(loaded));
  try {
    await until(() => expect(seen).toHaveLength(1));
    seen.length = 0;
    await work(folder, seen);
  } finally {
    watch.close();
  }
}
const until = (hold: () => void) => vi.waitFor(hold, { timeout: 10_000, interval: 50 });

test('a change is reported once; the same content is none', () =>
  watching({ 'a.yaml': POLICY }, async (folder, seen) => {
    writeFileSync(join(folder, 'a.yaml'), POLICY.replace('5 USD', '6 USD'));
    await until(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.set?.budgets.get('day')?.limitMicros).toBe(6_000_000n);
    writeFileSync(join(folder, 'a.yaml'), POLICY.replace('5 USD', '6 USD'));
    await pause(2_000);
    expect(seen).toHaveLength(1);
  }));

test('an invalid set is reported with its problems, and its repair after it', () =>
  watching({ 'a.yaml': POLICY }, async (folder, seen) => {
    writeFileSync(join(folder, 'b.yaml'), 'budgets: [');
    await until(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.set).toBeUndefined();
    const wrong = seen[0]?.problems.filter(({ severity }) => severity === 'error');
    expect(wrong?.map(({ file }) => file)).toEqual([join(folder, 'b.yaml')]);
    unlinkSync(join(folder, 'b.yaml'));
    await until(() => expect(seen).toHaveLength(2));
    expect(seen[1]?.set).toBeDefined();
  }));

test('CONF-08 a file that is still being written is not read half', () =>
  watching({ 'a.yaml': POLICY }, async (folder, seen) => {
    const whole = POLICY.replace('5 USD', '7 USD');
    const half = REGISTER;
    for (let part = 0; part < 20; part++) {
      writeFileSync(join(folder, 'a.yaml'), `${half}# ${part}\n`);
      await pause(40);
    }
    writeFileSync(join(folder, 'a.yaml'), whole);
    await until(() => expect(seen.length).toBeGreaterThan(0));
    expect(seen).toHaveLength(1);
    expect(seen[0]?.set?.budgets.get('day')?.limitMicros).toBe(7_000_000n);
  }));

test('CONF-08 a swap of links, as Kubernetes does it, is one change', async () => {
  const files = { '1/a.yaml': POLICY, '2/a.yaml': POLICY.replace('5 USD', '8 USD') };
  const base = folderWith(files);
  const mount = join(base, 'mount');
  mkdirSync(mount);
  symlinkSync('../1', join(mount, '..data'));
  symlinkSync('..data/a.yaml', join(mount, 'a.yaml'));
  const seen: LoadedPolicies[] = [];
  const watch = watchPolicies([mount], CONTEXT, (loaded) => seen.push(loaded));
  await until(() => expect(seen[0]?.set).toBeDefined());
  seen.length = 0;
  symlinkSync('../2', join(mount, '..new'));
  renameSync(join(mount, '..new'), join(mount, '..data'));
  return until(() => expect(seen).toHaveLength(1))
    .then(() => expect(seen[0]?.set?.budgets.get('day')?.limitMicros).toBe(8_000_000n))
    .finally(() => watch.close());
});

test('what is there at the start is reported, so that no change before it is lost', () =>
  watching({ 'a.yaml': POLICY }, async (_, seen) => {
    await pause(1_500);
    expect(seen).toEqual([]);
  }));

test('reload reports also what did not change, and a folder that went is reported', () =>
  watching({ 'a.yaml': POLICY }, async (folder, seen) => {
    const watch = watchPolicies([folder], CONTEXT, (loaded) => seen.push(loaded));
    await watch.reload();
    expect(seen[0]?.set).toBeDefined();
    watch.close();
    rmSync(folder, { recursive: true });
    await until(() => expect(seen.at(-1)?.set).toBeUndefined());
  }));
