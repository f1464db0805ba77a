// The pages of docs/ are true: each is run from its top to its end as one script, its files are written as they stand,
// and what it shows as output is what came out.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { isMap, parseDocument } from 'yaml';
import { loadConfig } from '../src/config/load.ts';
import { REFUSALS, type RefusalCode, refusalRow } from '../src/domain/refusal.ts';
import { showProblem } from '../src/yaml/problem.ts';
import { modelShop } from './fakes/model-shop.ts';
import {
  type Addresses,
  blocksOf,
  freeAddresses,
  PREAMBLE,
  ROOT,
  readPage,
  runnable,
  shell,
} from './support/snippets.ts';

const PAGES = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
/** What a file of a page is told by: the first line of its block. */
const FILE = /^(?:#|\/\/) (policies\/[\w.-]+|[\w-]+\.(?:mjs|py))\n/;
const MERGED = /^# in config\.yaml\b.*\n/;
const SHOWN = /^# for production, in config\.yaml\b.*\n/;

test('there is a page for each role, on what is promised and measured, on receipts and the sandbox wire', () => {
  const roles = ['agent-builder.md', 'finance.md', 'ops.md', 'security.md'];
  expect(PAGES).toEqual([...roles, 'guarantees.md', 'receipts.md', 'reliability.md', 'sandbox-rail.md'].sort());
});

for (const name of PAGES) {
  const page = readPage(`docs/${name}`);

  test(`${name}: every line runs, and what is shown is what comes out`, { timeout: 120_000 }, async () => {
    const models = await modelShop();
    onTestFinished(() => models.close());
    const addresses = await freeAddresses({ '127.0.0.1:8411': new URL(models.url).host });
    const folder = stand(addresses);
    const { stdout, code } = await shell(folder, script(page, addresses));
    expect(code, stdout).toBe(0);
    let from = 0;
    for (const line of shownLines(page)) {
      const found = stdout.slice(from).search(lineOf(addresses.in(line)));
      expect(found, `${line}\n— is not in what follows —\n${stdout.slice(from)}`).toBeGreaterThanOrEqual(0);
      from += found + 1;
    }
  });

  test(`${name}: every configuration that is shown for production is valid`, async () => {
    const addresses = await freeAddresses();
    for (const { text } of blocksOf(page).filter((block) => SHOWN.test(block.text))) {
      const folder = stand(addresses);
      writeFileSync(join(folder, 'config.yaml'), merged(readPage('config.example.yaml'), text));
      const { config, problems } = loadConfig(join(folder, 'config.yaml'), { env: {}, secrets: 'skip' });
      expect(config, `${text}\n${problems.map(showProblem).join('\n')}`).toBeDefined();
    }
  });

  test(`${name}: its links lead somewhere`, () => {
    for (const [, target = ''] of page.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (!/^https?:/.test(target)) expect(existsSync(join(ROOT, 'docs', target)), target).toBe(true);
    }
  });
}

test('the table of codes has each one once, with its status and whether a repeat may help', () => {
  const rows = [
    ...readPage('docs/agent-builder.md').matchAll(/^\| `(\w+)` \| (\d+) \| ([^|]+) \| [^|]+ \| [^|]+ \|$/gm),
  ];
  const told = rows.map(([, code, status, repeat = '']) => [code, Number(status), repeat.startsWith('yes')]);
  const codes = Object.keys(REFUSALS) as RefusalCode[];
  expect(told).toEqual(codes.map((code) => [code, refusalRow(code).status, refusalRow(code).retryAfter !== undefined]));
});

test('each promise names tests that exist', () => {
  const promises = [...readPage('docs/guarantees.md').matchAll(/\[`([^`]+)`\]\(\.\.\/(test\/[\w/.-]+\.ts)\)/g)];
  expect(promises.length).toBeGreaterThan(20);
  for (const [, title = '', file = ''] of promises) expect(readPage(file), `${file}: ${title}`).toContain(title);
});

test('README.md links to every page', () => {
  for (const name of PAGES) expect(readPage('README.md')).toContain(`(docs/${name})`);
});

/** A folder with the example configuration on free ports, its policies, and the packages of the repository. */
function stand(addresses: Addresses): string {
  const folder = mkdtempSync(join(tmpdir(), 'purser-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'config.example.yaml'), addresses.in(readPage('config.example.yaml')));
  mkdirSync(join(folder, 'policies'));
  for (const name of readdirSync(join(ROOT, 'policies'))) {
    writeFileSync(join(folder, 'policies', name), readPage(`policies/${name}`));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** The page as one script: files are written and lines run in the order in which they stand. */
function script(page: string, addresses: Addresses): string {
  let config = readPage('config.example.yaml');
  const steps = blocksOf(page).map(({ language, text }) => {
    if (language === 'sh')
      return runnable(text, addresses).replace(/^.* > policies\/.*$/gm, (line) => takenUp(line, addresses));
    if (language === 'text' || SHOWN.test(text)) return '';
    if (MERGED.test(text)) {
      config = merged(config, text);
      return written('config.yaml', addresses.in(config));
    }
    const path = FILE.exec(text)?.[1];
    if (path === undefined) throw new Error(`a block that is no file, no shell line and no output:\n${text}`);
    const file = written(path, addresses.in(text));
    return path.startsWith('policies/') ? takenUp(file, addresses) : file;
  });
  return PREAMBLE + steps.join('\n');
}

const written = (path: string, text: string): string => `cat > ${path} <<'END OF FILE'\n${text}END OF FILE\n`;

/** Lines that change the policies, and a wait until the gateway, when one runs, has answered to that. */
function takenUp(lines: string, { operators }: Addresses): string {
  const state = `$(curl -s http://${operators}/metrics | grep '^purser_policy' || true)`;
  return `before="${state}"
${lines}
[ -z "$before" ] || for n in $(seq 100); do [ "${state}" != "$before" ] && break; sleep 0.1; done
[ -z "$before" ] || [ "${state}" != "$before" ] || { echo 'the policies were not looked at'; exit 9; }
`;
}

/** A configuration with the sections of a block put in the place of its own. */
function merged(config: string, block: string): string {
  const document = parseDocument(config);
  const sections = parseDocument(block).contents;
  if (!isMap(sections)) throw new Error(`no sections:\n${block}`);
  for (const { key, value } of sections.items) document.set(key, value);
  return document.toString();
}

const shownLines = (page: string): string[] =>
  blocksOf(page)
    .filter(({ language }) => language === 'text')
    .flatMap(({ text }) => text.split('\n'))
    .filter((line) => line.trim() !== '' && line.trim() !== '…');

/** A shown line: `…` stands for anything within the line, and spaces for any number of them. */
function lineOf(line: string): RegExp {
  const parts = line.trim().split('…');
  const escaped = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+'));
  return new RegExp(escaped.join('.*'));
}
