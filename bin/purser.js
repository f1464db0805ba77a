#!/usr/bin/env node
// Starts purser: the sources in the repository, which need no build, or what was built of them in the package. Plain
// JavaScript, so that a Node which is too old can still read it and say so.
import { existsSync, readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const oldest = engines.node.replace('>=', '');
const source = new URL('../src/main.ts', import.meta.url);
const inRepository = existsSync(source);

if (isOlder(process.versions.node, oldest)) {
  const next = inRepository ? '"npm ci" brings one, then run "npx purser"' : `install Node ${oldest} or newer`;
  process.stderr.write(`purser needs Node ${oldest} or newer, this is ${process.versions.node}; ${next}.\n`);
  process.exitCode = 1;
} else {
  await import(inRepository ? source.href : new URL('../dist/main.js', import.meta.url).href);
}

function isOlder(version, least) {
  const [major, minor] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = least.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
