// Lua 5.1 to JavaScript, for the part of Lua in which the store's scripts are written; anything else is an error. An
// interpreter of whole Lua takes fifty times as long.
import { type Expression, parse, type Statement } from 'luaparse';
import { LIBRARY, type LuaValue, OPERATORS } from './lua-values.ts';

/** A compiled script; it is called with its globals. */
export type Compiled = (globals: Map<string, LuaValue>) => LuaValue[];

/** Compiles a script. Throws for what is outside of the part that is known here. */
export function compile(text: string): Compiled {
  const { body } = parse(text, { luaVersion: '5.1', encodingMode: 'x-user-defined', comments: false });
  const code = new Writer().block(body, new Scope(null));
  const make = new Function('$', 'library', `return function (globals) {\n${code}\nreturn [];\n}`);
  return make(OPERATORS, LIBRARY) as Compiled;
}

class Scope {
  readonly #outer: Scope | null;
  readonly #names = new Map<string, string>();

  constructor(outer: Scope | null) {
    this.#outer = outer;
  }

  find(name: string): string | undefined {
    return this.#names.get(name) ?? this.#outer?.find(name);
  }

  declare(name: string, as: string): string {
    this.#names.set(name, as);
    return as;
  }
}

class Writer {
  #count = 0;

  block(statements: readonly Statement[], scope: Scope): string {
    return statements.map((statement) => this.#statement(statement, scope)).join('\n');
  }

  #fresh(name: string): string {
    this.#count += 1;
    return `${name}_${this.#count}`;
  }

  #statement(node: Statement, scope: Scope): string {
    switch (node.type) {
      case 'LocalStatement': {
        const values = this.#assigned(node.init, node.variables.length, scope);
        const names = node.variables.map(({ name }) => scope.declare(name, this.#fresh(name)));
        return `${values.before}let ${names.map((name, i) => `${name} = ${values.list[i]}`).join(', ')};`;
      }
      case 'AssignmentStatement': {
        const { before, list } = this.#assigned(node.init, node.variables.length, scope, node.variables.length > 1);
        return before + node.variables.map((target, i) => this.#assign(target, list[i] ?? 'undefined', scope)).join('');
      }
      case 'FunctionDeclaration': {
        if (node.identifier?.type !== 'Identifier' || !node.isLocal) throw new Error('only local functions are known');
        const name = scope.declare(node.identifier.name, this.#fresh(node.identifier.name));
        return `const ${name} = ${this.#function(node.parameters, node.body, scope)};`;
      }
      case 'IfStatement':
        return node.clauses
          .map((clause, i) => {
            const body = `{\n${this.block(clause.body, new Scope(scope))}\n}`;
            if (clause.type === 'ElseClause') return `else ${body}`;
            return `${i === 0 ? 'if' : 'else if'} (${this.#truth(clause.condition, scope)}) ${body}`;
          })
          .join(' ');
      case 'WhileStatement':
        return `while (${this.#truth(node.condition, scope)}) {\n${this.block(node.body, new Scope(scope))}\n}`;
      case 'DoStatement':
        return `{\n${this.block(node.body, new Scope(scope))}\n}`;
      case 'BreakStatement':
        return 'break;';
      case 'ReturnStatement':
        return `return ${this.#list(node.arguments, scope)};`;
      case 'CallStatement':
        return `${this.#calls(node.expression, scope)};`;
      case 'ForNumericStatement': {
        const [from, to] = [this.#one(node.start, scope), this.#one(node.end, scope)];
        const step = node.step ? this.#one(node.step, scope) : '1';
        const inner = new Scope(scope);
        const [loop, last, by] = [this.#fresh('at'), this.#fresh('last'), this.#fresh('step')];
        const name = inner.declare(node.variable.name, this.#fresh(node.variable.name));
        const head = `let ${loop} = $.number(${from}), ${last} = $.number(${to}), ${by} = ${step};`;
        const more = `${by} > 0 ? ${loop} <= ${last} : ${loop} >= ${last}`;
        return `for (${head} ${more}; ${loop} += ${by}) {\nlet ${name} = ${loop};\n${this.block(node.body, inner)}\n}`;
      }
      case 'ForGenericStatement': {
        const values = this.#list(node.iterators, scope);
        const inner = new Scope(scope);
        const [next, found] = [this.#fresh('next'), this.#fresh('found')];
        const names = node.variables.map(({ name }) => inner.declare(name, this.#fresh(name)));
        const take = names.map((name, i) => `${name} = ${found}[${i}]`).join(', ');
        const body = `let ${take};\n${this.block(node.body, inner)}`;
        const step = `(${found} = $.call(${next}, []))[0] !== undefined`;
        return `{ const ${next} = ${values}[0]; let ${found}; while (${step}) {\n${body}\n} }`;
      }
      default:
        throw new Error(`a ${node.type} is not known here`);
    }
  }

  /** Expressions as so many values; where they depend on each other, or are a call's, they are worked out before. */
  #assigned(init: readonly Expression[], wanted: number, scope: Scope, apart = false) {
    const last = init.at(-1);
    if (!apart && (init.length >= wanted || !last || !isCall(last))) {
      return { before: '', list: Array.from({ length: wanted }, (_, i) => this.#maybe(init[i], scope)) };
    }
    const values = this.#fresh('values');
    const list = Array.from({ length: wanted }, (_, i) => `${values}[${i}]`);
    return { before: `const ${values} = ${this.#list(init, scope)};\n`, list };
  }

  #maybe(node: Expression | undefined, scope: Scope): string {
    return node ? this.#one(node, scope) : 'undefined';
  }

  #assign(target: Expression, value: string, scope: Scope): string {
    if (target.type === 'Identifier') {
      const name = scope.find(target.name);
      if (name === undefined) throw new Error(`a script may not set the global ${target.name}`);
      return `${name} = ${value};`;
    }
    return `$.set(${this.#place(target, scope)}, ${value});`;
  }

  /** Table and key of a member or an index. */
  #place(node: Expression, scope: Scope): string {
    if (node.type === 'MemberExpression' && node.indexer === '.') {
      return `${this.#one(node.base, scope)}, ${JSON.stringify(node.identifier.name)}`;
    }
    if (node.type === 'IndexExpression') return `${this.#one(node.base, scope)}, ${this.#one(node.index, scope)}`;
    throw new Error(`a ${node.type} is not known as a place`);
  }

  #function(parameters: readonly { readonly type: string }[], body: readonly Statement[], outer: Scope): string {
    const scope = new Scope(outer);
    const names = parameters.map((parameter) => {
      if (!('name' in parameter) || typeof parameter.name !== 'string')
        throw new Error('only named parameters are known');
      return scope.declare(parameter.name, this.#fresh(parameter.name));
    });
    return `function (${names.join(', ')}) {\n${this.block(body, scope)}\nreturn [];\n}`;
  }

  /** A list of expressions as a JavaScript array; the last one brings all of its values. */
  #list(nodes: readonly Expression[], scope: Scope): string {
    const last = nodes.at(-1);
    if (nodes.length === 1 && last && isCall(last)) return this.#calls(last, scope);
    const parts = nodes.map((node, i) =>
      i === nodes.length - 1 && isCall(node) ? `...${this.#calls(node, scope)}` : this.#one(node, scope),
    );
    return `[${parts.join(', ')}]`;
  }

  #calls(node: Expression, scope: Scope): string {
    if (node.type === 'CallExpression') {
      return `$.call(${this.#one(node.base, scope)}, ${this.#list(node.arguments, scope)})`;
    }
    throw new Error(`a ${node.type} is not known as a call`);
  }

  #truth(node: Expression, scope: Scope): string {
    if (node.type === 'LogicalExpression') {
      const operator = node.operator === 'and' ? '&&' : '||';
      return `(${this.#truth(node.left, scope)} ${operator} ${this.#truth(node.right, scope)})`;
    }
    if (node.type === 'UnaryExpression' && node.operator === 'not') return `!${this.#truth(node.argument, scope)}`;
    const value = this.#one(node, scope);
    return node.type === 'BinaryExpression' && COMPARING.has(node.operator) ? value : `$.truth(${value})`;
  }

  /** An expression as one value. */
  #one(node: Expression, scope: Scope): string {
    switch (node.type) {
      case 'Identifier':
        return scope.find(node.name) ?? globalOf(node.name);
      case 'StringLiteral':
        return JSON.stringify(node.value);
      case 'NumericLiteral':
        return String(node.value);
      case 'BooleanLiteral':
        return String(node.value);
      case 'NilLiteral':
        return 'undefined';
      case 'CallExpression':
        return `${this.#calls(node, scope)}[0]`;
      case 'MemberExpression':
      case 'IndexExpression':
        return `$.get(${this.#place(node, scope)})`;
      case 'FunctionDeclaration':
        return `(${this.#function(node.parameters, node.body, scope)})`;
      case 'TableConstructorExpression':
        return this.#table(node, scope);
      case 'UnaryExpression':
        if (node.operator === 'not') return `!${this.#truth(node.argument, scope)}`;
        return `$.${node.operator === '#' ? 'len' : 'neg'}(${this.#one(node.argument, scope)})`;
      case 'LogicalExpression': {
        const left = this.#fresh('left');
        const [taken, other] = [this.#one(node.left, scope), this.#one(node.right, scope)];
        const choice = node.operator === 'and' ? `${other} : ${left}` : `${left} : ${other}`;
        return `((${left}) => $.truth(${left}) ? ${choice})(${taken})`;
      }
      case 'BinaryExpression':
        return this.#binary(node.operator, this.#one(node.left, scope), this.#one(node.right, scope));
      default:
        throw new Error(`a ${node.type} is not known here`);
    }
  }

  #binary(operator: string, left: string, right: string): string {
    if (operator === '==') return `(${left} === ${right})`;
    if (operator === '~=') return `(${left} !== ${right})`;
    if (operator === '>') return `$.lt(${right}, ${left})`;
    if (operator === '>=') return `$.le(${right}, ${left})`;
    const name = BINARY[operator];
    if (name === undefined) throw new Error(`the operator ${operator} is not known here`);
    return `$.${name}(${left}, ${right})`;
  }

  #table(node: Extract<Expression, { type: 'TableConstructorExpression' }>, scope: Scope): string {
    const list: Expression[] = [];
    const named: string[] = [];
    for (const field of node.fields) {
      if (field.type === 'TableValue') list.push(field.value);
      else {
        const key = field.type === 'TableKey' ? this.#one(field.key, scope) : JSON.stringify(field.key.name);
        named.push(`$.set(t, ${key}, ${this.#one(field.value, scope)});`);
      }
    }
    const made = `$.table(${this.#list(list, scope)})`;
    return named.length === 0 ? made : `((t) => { ${named.join(' ')} return t; })(${made})`;
  }
}

const isCall = (node: Expression): boolean => node.type === 'CallExpression';
const COMPARING = new Set(['==', '~=', '<', '<=', '>', '>=']);
const BINARY: Readonly<Record<string, string>> = {
  ...{ '+': 'add', '-': 'sub', '*': 'mul', '/': 'div', '%': 'mod', '^': 'pow', '..': 'concat', '<': 'lt', '<=': 'le' },
};

function globalOf(name: string): string {
  return Object.hasOwn(LIBRARY, name) ? `library.${name}` : `globals.get(${JSON.stringify(name)})`;
}
