// YAML text as plain data with the position of every part. Only what is harmless is read: no tags, no key twice, no key
// that reaches a prototype, no alias that explodes, nothing deep or large without bound.
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLParseError,
  type YAMLSeq,
} from 'yaml';
import { type Path, type Problem, showPath } from './problem.ts';

/** The largest file that is read, in bytes. */
export const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** How often aliases may be used in one file, uses inside what an alias stands for included. */
export const MAX_ALIASES = 100;
const TOO_MANY_ALIASES = `more than ${MAX_ALIASES} uses of aliases; write the values out`;
const MAX_DEPTH = 50;
const MAX_NODES = 1_000_000;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** A file that was read; `value` is undefined when its text is not acceptable YAML. */
export interface YamlFile {
  readonly file: string;
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** A problem at `path`, or at the nearest part of the file above it; `key` means the key, not its value. */
  problem(path: Path, message: string, severity?: Problem['severity'], at?: 'key' | 'value'): Problem;
}

interface Place {
  readonly key: number;
  readonly value: number;
}

/** Reads one YAML 1.2 document strictly. Never throws for what the text holds. */
export function readYaml(file: string, bytes: Uint8Array): YamlFile {
  const lines = new LineCounter();
  const places = new Map<string, Place>();
  const problems: Problem[] = [];
  const at = (offset: number, path: Path, message: string, severity: Problem['severity']): Problem => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), col: Math.max(1, col), path: showPath(path), message, severity };
  };
  const report: Report = (offset, path, message) => problems.push(at(offset, path, message, 'error'));
  const value = readText(bytes, lines, places, report);
  return {
    file,
    value: problems.length > 0 ? undefined : value,
    problems,
    problem(path, message, severity = 'error', where = 'value') {
      for (let length = path.length; length >= 0; length--) {
        const place = places.get(placeOf(path.slice(0, length)));
        if (place) return at(length === path.length ? place[where] : place.key, path, message, severity);
      }
      return at(0, path, message, severity);
    },
  };
}

function syntaxError({ code, message }: YAMLParseError): string {
  if (code === 'MULTIPLE_DOCS') return 'begins a second document (---); keep one';
  if (code === 'TAB_AS_INDENT') return 'is not valid YAML: tabs are not allowed as indentation; write spaces instead';
  return `is not valid YAML: ${message}`;
}

type Report = (offset: number, path: Path, message: string) => void;
const placeOf = (path: Path): string => JSON.stringify(path);

function readText(bytes: Uint8Array, lines: LineCounter, places: Map<string, Place>, report: Report): unknown {
  if (bytes.length > MAX_FILE_BYTES) {
    report(0, [], `is larger than ${MAX_FILE_BYTES} bytes; split it`);
    return undefined;
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    report(0, [], 'is not UTF-8 text; save it as UTF-8');
    return undefined;
  }
  let document: Document.Parsed;
  try {
    const options = { prettyErrors: false, uniqueKeys: false, stringKeys: true, merge: false, schema: 'core' } as const;
    document = parseDocument(text, { ...options, version: '1.2', lineCounter: lines });
  } catch {
    report(0, [], 'is nested too deeply to be read; make it flatter');
    return undefined;
  }
  const tabs = document.errors.filter(({ code }) => code === 'TAB_AS_INDENT');
  for (const error of document.errors) {
    // Whoever indents with tabs does so on every line, and the rest of what is wrong follows from it.
    if (tabs.length > 0 && error !== tabs[0]) continue;
    report(error.pos[0], [], syntaxError(error));
  }
  if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.2') {
    report(0, [], 'only YAML 1.2 is read; take the %YAML line out');
  }
  if (document.errors.length > 0) return undefined;
  return new Reader(document, lines, places, report).read(document.contents, []);
}

/** Turns nodes into plain data; one per document. */
class Reader {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #places: Map<string, Place>;
  readonly #report: Report;
  readonly #open = new Set<Node>();
  #aliases = 0;
  #nodes = 0;
  #stopped = false;

  constructor(document: Document.Parsed, lines: LineCounter, places: Map<string, Place>, report: Report) {
    this.#document = document;
    this.#lines = lines;
    this.#places = places;
    this.#report = report;
  }

  /** The data of a node; `keyOffset` is where the key that names it stands. */
  read(node: Node | null, path: Path, keyOffset?: number): unknown {
    const offset = node?.range?.[0] ?? keyOffset ?? 0;
    this.#places.set(placeOf(path), { key: keyOffset ?? offset, value: offset });
    if (node === null || this.#stopped) return null;
    if (++this.#nodes > MAX_NODES) return this.#stop(offset, path, 'has too many parts; split it');
    if (path.length > MAX_DEPTH)
      return this.#stop(offset, path, `is nested more than ${MAX_DEPTH} levels deep; make it flatter`);
    if (isAlias(node)) return this.#readAlias(node, path, keyOffset ?? offset);
    if ('tag' in node && node.tag !== undefined) {
      this.#report(offset, path, `YAML tags (${node.tag}) are not allowed; write the plain value`);
      return null;
    }
    if (isScalar(node)) {
      if (typeof node.value === 'string' && !node.value.isWellFormed()) {
        this.#report(offset, path, 'is not well-formed text (half of a surrogate pair); write it anew');
      }
      return node.value;
    }
    if (this.#open.has(node))
      return this.#stop(offset, path, 'an alias stands for something that holds it; write the value out');
    this.#open.add(node);
    const value = isMap(node) ? this.#readMap(node, path) : isSeq(node) ? this.#readList(node, path) : null;
    this.#open.delete(node);
    return value;
  }

  #stop(offset: number, path: Path, message: string): null {
    if (!this.#stopped) this.#report(offset, path, message);
    this.#stopped = true;
    return null;
  }

  #readAlias(alias: Node, path: Path, offset: number): unknown {
    if (++this.#aliases > MAX_ALIASES) return this.#stop(offset, path, TOO_MANY_ALIASES);
    const target = isAlias(alias) ? alias.resolve(this.#document) : undefined;
    if (target === undefined) {
      this.#report(offset, path, 'this alias has no anchor before it; write the value out');
      return null;
    }
    return this.read(target, path, offset);
  }

  #readList(list: YAMLSeq, path: Path): unknown[] {
    return list.items.map((item, index) => this.read(item as Node | null, [...path, index]));
  }

  #readMap(map: YAMLMap, path: Path): Record<string, unknown> {
    const data: Record<string, unknown> = {};
    const merges: Pair[] = [];
    for (const pair of map.items) {
      const key = keyOf(pair);
      if (!isScalar(pair.key) || pair.key.tag !== undefined) {
        this.#report(key.offset, path, 'a key must be plain text: no alias and no tag');
        continue;
      }
      if (key.merges) {
        merges.push(pair);
        continue;
      }
      const first = this.#places.get(placeOf([...path, key.text]));
      if (FORBIDDEN_KEYS.has(key.text)) {
        this.#report(key.offset, [...path, key.text], `\`${key.text}\` cannot be a key; choose another`);
      } else if (Object.hasOwn(data, key.text)) {
        this.#report(key.offset, [...path, key.text], `stands twice${this.#lineOf(first)}; keep one`);
      } else {
        data[key.text] = this.read(pair.value as Node | null, [...path, key.text], key.offset);
      }
    }
    const [merge, second] = merges;
    if (second) this.#report(keyOf(second).offset, [...path, '<<'], 'stands twice; merge a list instead');
    else if (merge) this.#merge(merge, path, data);
    return data;
  }

  #lineOf(place: Place | undefined): string {
    return place ? `, first on line ${this.#lines.linePos(place.key).line}` : '';
  }

  /** `<<: *other`: keys that are not given here are taken over; what is taken over is judged like any other key. */
  #merge(pair: Pair, path: Path, data: Record<string, unknown>): void {
    const source = pair.value;
    const offset = keyOf(pair).offset;
    for (const item of isSeq(source) ? source.items : [source]) {
      if (isAlias(item) && ++this.#aliases > MAX_ALIASES) {
        this.#stop(offset, path, TOO_MANY_ALIASES);
        return;
      }
      const map = isAlias(item) ? item.resolve(this.#document) : item;
      if (!isMap(map)) {
        this.#report(offset, [...path, '<<'], 'only maps can be merged');
        continue;
      }
      if (this.#open.has(map)) {
        this.#stop(offset, path, 'a merge takes over something that holds it; write the keys out');
        return;
      }
      this.#open.add(map);
      for (const inner of map.items) this.#mergeKey(inner, path, data);
      this.#open.delete(map);
    }
  }

  #mergeKey(inner: Pair, path: Path, data: Record<string, unknown>): void {
    const key = keyOf(inner);
    if (key.merges) this.#merge(inner, path, data);
    else if (FORBIDDEN_KEYS.has(key.text)) {
      this.#report(key.offset, [...path, key.text], `\`${key.text}\` cannot be a key; choose another`);
    } else if (!Object.hasOwn(data, key.text)) {
      data[key.text] = this.read(inner.value as Node | null, [...path, key.text], key.offset);
    }
  }
}

/** `stringKeys` has made every key a string scalar, or an error before this. */
function keyOf(pair: Pair): { text: string; offset: number; merges: boolean } {
  const key = pair.key;
  if (!isScalar(key)) return { text: '', offset: 0, merges: false };
  const text = String(key.value ?? '');
  return { text, offset: key.range?.[0] ?? 0, merges: text === '<<' && key.type === 'PLAIN' };
}
