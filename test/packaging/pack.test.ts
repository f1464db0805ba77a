// The package is what somebody who has never seen the repository installs: packed, installed in an empty folder, and
// run from there.
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, relative } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, copyTree, newFolder, ROOT } from './tree.ts';

const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

let tree = '';
let tarball = '';
let installed = '';
let packageFolder = '';

beforeAll(async () => {
  tree = copyTree('pack', 'linked');
  const { stdout } = await command(tree, 'npm', ['pack', '--json']);
  tarball = join(tree, JSON.parse(stdout.slice(stdout.indexOf('[\n')))[0].filename);
  installed = newFolder('installed');
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund'];
  await command(installed, 'npm', ['install', ...quiet, tarball]);
  packageFolder = join(installed, 'node_modules', 'purser');
}, 240_000);

test('the installed package sells and buys: npx purser demo --once', { timeout: 120_000 }, async () => {
  const { stdout } = await command(installed, 'npx', ['purser', 'demo', '--once']);
  expect(stdout).toContain('is intact');
  expect(stdout).not.toContain('EXPECTED');
});

test('the installed package helps, and names the version of the repository', { timeout: 60_000 }, async () => {
  const { stdout } = await command(installed, 'npx', ['purser', '--help']);
  expect(stdout).toContain('Usage: purser');
  expect((await command(installed, 'npx', ['purser', '--version'])).stdout.trim()).toBe(MANIFEST.version);
});

test('the example configuration that is packed is valid as it is', { timeout: 60_000 }, async () => {
  const args = ['check', '--config', join(packageFolder, 'config.example.yaml')];
  expect((await command(installed, join('node_modules', '.bin', 'purser'), args)).stdout).toContain('is valid');
});

test('nothing is packed but what runs: no source, no test, no left-over', () => {
  const packed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  const tops = new Set(packed.map((path) => path.replace(/^package\//, '').split('/')[0]));
  const expected = ['LICENSE', 'README.md', 'bin', 'config.example.yaml', 'dist', 'package.json', 'policies', 'schema'];
  expect([...tops].sort()).toEqual(expected);
  expect(packed.filter((path) => path.endsWith('.ts'))).toEqual([]);
  expect(readdirSync(tree)).not.toContain('dist');
});

test('every source file is built, and every file that is no source is beside it', () => {
  const files = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const wanted = files(join(ROOT, 'src')).filter((path) => !path.endsWith('.md'));
  expect(files(join(packageFolder, 'dist')).sort()).toEqual(wanted.map((path) => path.replace(/\.ts$/, '.js')).sort());
});

test('whatever the package imports is a dependency of it', () => {
  const dist = join(packageFolder, 'dist');
  const imported = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js'))
    .flatMap((path) => [...readFileSync(join(dist, path), 'utf8').matchAll(IMPORT)].map((match) => match[1] ?? ''))
    .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name))
    .map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
  expect(Object.keys(MANIFEST.dependencies)).toEqual(expect.arrayContaining([...new Set(imported)]));
});

/** Static and dynamic imports and `createRequire(…)('…')`, of anything but our own files. */
const IMPORT = /(?:\bfrom |\bimport |import\(|createRequire\(import\.meta\.url\)\()'([^'.][^']*)'/g;

test('a Node that is too old is told so in one line', () => {
  const [major, minor] = MANIFEST.engines.node.replace('>=', '').split('.').map(Number);
  // The version is all that is judged, so it is all that is pretended.
  const pretend = (version: string) => {
    const script = `Object.defineProperty(process.versions, 'node', { value: '${version}' });`;
    const preload = `data:text/javascript,${encodeURIComponent(script)}`;
    const main = join(packageFolder, 'bin', 'purser.js');
    return spawnSync(process.execPath, ['--import', preload, main, '--version'], { encoding: 'utf8' });
  };
  for (const version of ['18.20.8', `${major}.${minor - 1}.0`]) {
    const { status, stdout, stderr } = pretend(version);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toBe(
      `purser needs Node ${major}.${minor} or newer, this is ${version}; install Node ${major}.${minor} or newer.\n`,
    );
  }
  expect(pretend(`${major}.${minor}.0`).status).toBe(0);
  expect(pretend(`${major + 1}.0.0`).status).toBe(0);
});

test('the repository and the package ask for the same Node', () => {
  const main = readFileSync(join(ROOT, 'src', 'main.ts'), 'utf8');
  const [, major, minor] = /OLDEST_NODE = \[(\d+), (\d+)\]/.exec(main) ?? [];
  expect(`>=${major}.${minor}`).toBe(MANIFEST.engines.node);
});

test('npx purser runs the sources in the repository, without a build', { timeout: 60_000 }, async () => {
  expect((await command(tree, 'npx', ['purser', '--version'])).stdout.trim()).toBe(MANIFEST.version);
});
