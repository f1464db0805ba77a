// What the tests of README.md and docs/ share: the fenced blocks of a page as they stand, and a way to run the shell
// lines in them with this checkout's `purser` and ports that are free.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from './gateway.ts';

/** The repository, with a slash at its end. */
export const ROOT = new URL('../..', import.meta.url).pathname;

/** A fenced block of a page. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

/** A file of the repository as text. */
export const readPage = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Every fenced block of a page, in order. */
export const blocksOf = (page: string): Block[] =>
  [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({ language, text }));

/** The texts of all blocks in one language. */
export const inLanguage = (page: string, language: string): string[] =>
  blocksOf(page)
    .filter((block) => block.language === language)
    .map(({ text }) => text);

/** For each address that pages name, a free one. */
export interface Addresses {
  readonly agents: string;
  readonly operators: string;
  /** Text with the addresses of a page replaced by these. */
  in(text: string): string;
}

/** Free addresses for 127.0.0.1:8402, :8403, :8410 and :8412; `known` adds others. */
export async function freeAddresses(known: Readonly<Record<string, string>> = {}): Promise<Addresses> {
  const free = new Map(Object.entries(known));
  for (const port of [8402, 8403, 8410, 8412]) free.set(`127.0.0.1:${port}`, `127.0.0.1:${await freePort()}`);
  const of = (address: string): string => free.get(address) ?? address;
  return {
    agents: of('127.0.0.1:8402'),
    operators: of('127.0.0.1:8403'),
    in: (text) => text.replace(/127\.0\.0\.1:84\d\d/g, of),
  };
}

/** A script that begins with this, runs what {@link runnable} makes, and leaves no process behind. */
export const PREAMBLE = `set -e
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
answers() {
  for _ in $(seq 200); do curl -s -o /dev/null "$1" && return; sleep 0.1; done
  echo "$1 is silent"; exit 9
}
`;

/**
 * Shell lines with `npx purser` as this checkout's and the addresses replaced. After a line that starts a gateway or a
 * shop in the background the script waits until that answers; a line that ends in `# exit 1` must end with that code.
 */
export function runnable(snippet: string, addresses: Addresses): string {
  const purser = `'${process.execPath}' '${join(ROOT, 'src/main.ts')}'`;
  const lines = snippet
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map(expectingExit);
  return addresses
    .in(lines.join('\n'))
    .replace(/^npx purser serve.*&$/gm, (line) => `${line}\nanswers http://${addresses.agents}/`)
    .replace(/^npx purser demo --shop (\S+).*&$/gm, (line, shop) => `${line}\nanswers http://${shop}/v1/about`)
    .replaceAll('npx purser', purser);
}

function expectingExit(line: string): string {
  const [, command, code] = /^(.*\S)\s+# exit ([12])\b.*$/.exec(line) ?? [];
  if (command === undefined) return line;
  return `if ${command}; then echo 'exit 0, not ${code}'; exit 9; else [ $? = ${code} ] || exit 9; fi`;
}

/** Runs a script of bash to its end; `stdout` has standard error in it. */
export function shell(cwd: string, text: string): Promise<{ stdout: string; code: number | null }> {
  return new Promise((resolve) => {
    const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
    const child = spawn('bash', ['-c', text], { cwd, env: { ...process.env, PATH } });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stdout += chunk;
    });
    child.on('close', (code) => resolve({ stdout, code }));
  });
}
