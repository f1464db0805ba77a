// What Lua 5.1 does with its values: truth, tables, arithmetic, text, and the library functions that the store's
// scripts use. Numbers are doubles there as they are here.

/** A value of Lua; undefined is nil. */
export type LuaValue = undefined | boolean | number | string | LuaTable | LuaFunction;

/** Every function takes and answers a list of values. */
export type LuaFunction = (...args: LuaValue[]) => LuaValue[];

/** What a script raises. */
export class LuaError extends Error {
  readonly value: LuaValue;

  constructor(value: LuaValue) {
    super(typeof value === 'string' ? value : 'ERR a script raised something else than text');
    this.value = value;
  }
}

/** A table: what stands at 1, 2, 3, … without a gap is a list. */
export class LuaTable {
  readonly list: LuaValue[] = [];
  readonly map = new Map<LuaValue, LuaValue>();

  get(key: LuaValue): LuaValue {
    if (typeof key === 'number') {
      const { list } = this;
      if (key > 0 && key <= list.length && Number.isInteger(key)) return list[key - 1];
    }
    return this.map.get(key);
  }

  set(key: LuaValue, value: LuaValue): void {
    if (key === undefined) throw new LuaError('table index is nil');
    const { list } = this;
    if (typeof key !== 'number' || !Number.isInteger(key) || key < 1 || key > list.length + 1) {
      if (value === undefined) this.map.delete(key);
      else this.map.set(key, value);
      return;
    }
    if (key <= list.length) {
      list[key - 1] = value;
      while (list.length > 0 && list.at(-1) === undefined) list.pop();
      return;
    }
    if (value === undefined) return;
    list.push(value);
    for (let next = key + 1; this.map.has(next); next += 1) {
      list.push(this.map.get(next));
      this.map.delete(next);
    }
  }
}

const typeOf = (value: LuaValue): string => {
  if (value === undefined) return 'nil';
  return value instanceof LuaTable ? 'table' : typeof value;
};

/** A list as a table. */
export function tableOf(values: readonly LuaValue[]): LuaTable {
  const table = new LuaTable();
  values.forEach((value, index) => {
    table.set(index + 1, value);
  });
  return table;
}

function numberOf(value: LuaValue, what: string): number {
  if (typeof value === 'number') return value;
  const read = toNumber(value);
  if (read === undefined) throw new LuaError(`attempt to ${what} a ${typeOf(value)} value`);
  return read;
}

function toNumber(value: LuaValue): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (text === '' || !/^[+-]?(0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?)$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isNaN(number) ? undefined : number;
}

function textOf(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') throw new LuaError(`attempt to concatenate a ${typeOf(value)} value`);
  return numberText(value);
}

/** A number as Lua shows it: `%.14g`. */
export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e14) return String(value);
  return String(Number(value.toPrecision(14)));
}

function compared(a: LuaValue, b: LuaValue): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a < b;
  if (typeof a === 'string' && typeof b === 'string') return a < b;
  throw new LuaError(`attempt to compare ${typeOf(a)} with ${typeOf(b)}`);
}

/** The operators, for compiled code. */
export const OPERATORS = {
  add: (a: LuaValue, b: LuaValue) => numberOf(a, 'perform arithmetic on') + numberOf(b, 'perform arithmetic on'),
  sub: (a: LuaValue, b: LuaValue) => numberOf(a, 'perform arithmetic on') - numberOf(b, 'perform arithmetic on'),
  mul: (a: LuaValue, b: LuaValue) => numberOf(a, 'perform arithmetic on') * numberOf(b, 'perform arithmetic on'),
  div: (a: LuaValue, b: LuaValue) => numberOf(a, 'perform arithmetic on') / numberOf(b, 'perform arithmetic on'),
  pow: (a: LuaValue, b: LuaValue) => numberOf(a, 'perform arithmetic on') ** numberOf(b, 'perform arithmetic on'),
  mod: (a: LuaValue, b: LuaValue) => {
    const [x, y] = [numberOf(a, 'perform arithmetic on'), numberOf(b, 'perform arithmetic on')];
    return x - Math.floor(x / y) * y;
  },
  neg: (a: LuaValue) => -numberOf(a, 'perform arithmetic on'),
  concat: (a: LuaValue, b: LuaValue) => textOf(a) + textOf(b),
  lt: compared,
  le: (a: LuaValue, b: LuaValue) => (a === b && typeof a !== 'object' && a !== undefined) || compared(a, b),
  len: (a: LuaValue) => {
    if (typeof a === 'string') return Buffer.byteLength(a);
    if (a instanceof LuaTable) return a.list.length;
    throw new LuaError(`attempt to get length of a ${typeOf(a)} value`);
  },
  get: (table: LuaValue, key: LuaValue): LuaValue => {
    if (table instanceof LuaTable) return table.get(key);
    throw new LuaError(`attempt to index a ${typeOf(table)} value`);
  },
  set: (table: LuaValue, key: LuaValue, value: LuaValue): void => {
    if (!(table instanceof LuaTable)) throw new LuaError(`attempt to index a ${typeOf(table)} value`);
    table.set(key, value);
  },
  call: (f: LuaValue, args: LuaValue[]): LuaValue[] => {
    if (typeof f !== 'function') throw new LuaError(`attempt to call a ${typeOf(f)} value`);
    return f(...args);
  },
  truth: (value: LuaValue): boolean => value !== undefined && value !== false,
  table: tableOf,
  number: (value: LuaValue) => numberOf(value, 'use as the bound of a loop'),
};

function patternOf(pattern: LuaValue): RegExp {
  const text = String(pattern);
  const known = PATTERNS.get(text);
  if (known) return known;
  let source = '';
  for (let i = 0; i < text.length; i += 1) {
    const [character = '', next = ''] = [text[i], text[i + 1]];
    if (character === '%') {
      source += CLASSES[next] ?? `\\${next}`;
      i += 1;
    } else source += character === '-' ? '*?' : /[\\/{}|]/.test(character) ? `\\${character}` : character;
  }
  const made = new RegExp(source, 's');
  PATTERNS.set(text, made);
  return made;
}

const PATTERNS = new Map<string, RegExp>();
const CLASSES: Readonly<Record<string, string>> = {
  d: '[0-9]',
  a: '[A-Za-z]',
  w: '[A-Za-z0-9]',
  s: '\\s',
  x: '[0-9a-fA-F]',
};

function formatted(format: string, values: readonly LuaValue[]): string {
  let taken = 0;
  return format.replace(/%(?:\.0f|d|s|%)/g, (what) => {
    if (what === '%%') return '%';
    const value = values[taken];
    taken += 1;
    return what === '%s' ? textOf(value) : numberOf(value, 'format').toFixed(0);
  });
}

function concatenated(table: LuaValue, separator: LuaValue): string {
  if (!(table instanceof LuaTable)) throw new LuaError('bad argument #1 to concat');
  return table.list.map(textOf).join(separator === undefined ? '' : textOf(separator));
}

function entries(table: LuaValue): [LuaValue, LuaValue][] {
  if (!(table instanceof LuaTable)) throw new LuaError(`bad argument (table expected, got ${typeOf(table)})`);
  return [...table.list.map((value, index): [LuaValue, LuaValue] => [index + 1, value]), ...table.map];
}

function iterator(list: readonly [LuaValue, LuaValue][]): LuaValue[] {
  let next = 0;
  const step: LuaFunction = () => {
    const entry = list[next];
    next += 1;
    return entry ? [...entry] : [undefined];
  };
  return [step];
}

function guarded(f: LuaValue, args: LuaValue[]): LuaValue[] {
  try {
    return [true, ...OPERATORS.call(f, args)];
  } catch (error) {
    if (error instanceof LuaError) return [false, error.value];
    throw error;
  }
}

const library = (functions: Readonly<Record<string, LuaFunction>>): LuaTable => {
  const table = new LuaTable();
  for (const [name, f] of Object.entries(functions)) table.set(name, f);
  return table;
};

/** The library, as globals. */
export const LIBRARY: Readonly<Record<string, LuaValue>> = {
  tonumber: (value) => [toNumber(value)],
  tostring: (value) => [typeof value === 'number' ? numberText(value) : String(value ?? 'nil')],
  type: (value) => [typeOf(value)],
  error: (value) => {
    throw new LuaError(value);
  },
  pcall: (f, ...args) => guarded(f, args),
  ipairs: (table) => iterator(entries(table).filter(([key]) => typeof key === 'number')),
  pairs: (table) => iterator(entries(table)),
  unpack: (table, from, to) =>
    table instanceof LuaTable
      ? table.list.slice(numberOf(from ?? 1, 'use') - 1, to === undefined ? undefined : numberOf(to, 'use'))
      : [],
  math: library({
    abs: (value) => [Math.abs(numberOf(value, 'use'))],
    floor: (value) => [Math.floor(numberOf(value, 'use'))],
    ceil: (value) => [Math.ceil(numberOf(value, 'use'))],
    max: (...values) => [Math.max(...values.map((value) => numberOf(value, 'use')))],
    min: (...values) => [Math.min(...values.map((value) => numberOf(value, 'use')))],
  }),
  table: library({
    concat: (table, separator) => [concatenated(table, separator)],
    sort: (table, before) => {
      if (!(table instanceof LuaTable)) throw new LuaError('bad argument #1 to sort');
      const isBefore = (a: LuaValue, b: LuaValue) => OPERATORS.truth(OPERATORS.call(before, [a, b])[0]);
      table.list.sort((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
      return [];
    },
    insert: (table, value) => {
      OPERATORS.set(table, OPERATORS.len(table) + 1, value);
      return [];
    },
  }),
  string: library({
    byte: (text, index) => [String(text).charCodeAt(numberOf(index ?? 1, 'use') - 1)],
    format: (format, ...values) => [formatted(String(format), values)],
    sub: (text, from, to) => [
      substring(textOf(text), numberOf(from, 'use'), to === undefined ? -1 : numberOf(to, 'use')),
    ],
    find: (text, pattern) => {
      const found = patternOf(pattern).exec(textOf(text));
      return found ? [found.index + 1, found.index + found[0].length, ...found.slice(1)] : [undefined];
    },
    gmatch: (text, pattern) => {
      const found = [...textOf(text).matchAll(new RegExp(patternOf(pattern), 'gs'))];
      const next = found.values();
      return [() => next.next().value?.slice(1) ?? [undefined]];
    },
    match: (text, pattern) => {
      const found = patternOf(pattern).exec(textOf(text));
      if (!found) return [undefined];
      return found.length > 1 ? found.slice(1) : [found[0]];
    },
  }),
};

function substring(text: string, from: number, to: number): string {
  const start = from < 0 ? Math.max(text.length + from, 0) : Math.max(from - 1, 0);
  return text.slice(start, to < 0 ? text.length + to + 1 : to);
}
