// `purser completion`: a script that completes commands and flags in a shell, made of the commands themselves.
import type { Command } from 'commander';

/** The shells there is a script for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A command by its words without `purser`, and what may follow it. */
interface Place {
  /** '' for `purser` itself, else such as `receipts list`. */
  readonly words: string;
  readonly commands: readonly Offered[];
  readonly flags: readonly (Offered & { readonly values: 'none' | 'files' | 'any' | readonly string[] })[];
  /** What its first argument can be; files for `[file]`. */
  readonly argument: 'none' | 'files' | readonly string[];
}

interface Offered {
  readonly name: string;
  readonly what: string;
}

/** The script for one shell. */
export function completionScript(shell: Shell, program: Command): string {
  const places = placesOf(program, []);
  if (shell === 'bash') return bash(places);
  return shell === 'zsh' ? zsh(places) : fish(places);
}

function placesOf(command: Command, words: readonly string[]): Place[] {
  const commands = command.commands.filter((child) => child.name() !== 'help');
  const flags = command.createHelp().visibleOptions(command);
  const [argument] = command.registeredArguments;
  const place: Place = {
    words: words.join(' '),
    commands: commands.map((child) => ({ name: child.name(), what: child.description() })),
    flags: flags.flatMap(({ long, description, required, argChoices, flags: text }) =>
      long === undefined || long === null
        ? []
        : [{ name: long, what: description, values: required ? (argChoices ?? kindOf(text)) : 'none' }],
    ),
    argument: argument?.argChoices ?? (argument?.name() === 'file' ? 'files' : 'none'),
  };
  return [place, ...commands.flatMap((child) => placesOf(child, [...words, child.name()]))];
}

const kindOf = (flags: string): 'files' | 'any' => (/<(file|path)>/.test(flags) ? 'files' : 'any');

/** In single quotes, for all three shells; none of our texts needs more. */
const quoted = (text: string): string => `'${text.replaceAll("'", '’').replaceAll('\\', '/')}'`;
const names = (offered: readonly Offered[]): string => offered.map(({ name }) => name).join(' ');

/** The words that are commands, in order, joined; words after flags that take a value are left out. */
const WALK = (places: readonly Place[], first: string, count: string) => `  local at="" skip="" word try
  for word in "\${words[@]:${first}:${count}}"; do
    if [ -n "$skip" ]; then skip=""; continue; fi
    case "$word" in
      ${valued(places).join('|')}) skip=1; continue ;;
      -*) continue ;;
    esac
    try="\${at:+$at }$word"
    case "$try" in
      ${places
        .slice(1)
        .map(({ words }) => quoted(words))
        .join('|')}) at="$try" ;;
    esac
  done`;

const valued = (places: readonly Place[]): string[] => [
  ...new Set(places.flatMap(({ flags }) => flags.flatMap(({ name, values }) => (values === 'none' ? [] : [name])))),
];

function bash(places: readonly Place[]): string {
  const cases = places.map(({ words, commands, flags, argument }) => {
    const before = flags.flatMap(({ name, values }) => {
      if (values === 'none') return [];
      return [
        `        ${name}) ${typeof values === 'string' ? `kind=${values}` : `offered=${quoted(values.join(' '))}`} ;;`,
      ];
    });
    const free = argument === 'files' ? ' kind=files' : argument === 'none' ? '' : argument.join(' ');
    const rest = argument === 'files' ? 'kind=files' : `offered=${quoted(`${names(commands)} ${free}`.trim())}`;
    return [
      `    ${quoted(words)})`,
      '      case "$before" in',
      ...before,
      `        *) case "$current" in -*) offered=${quoted(names(flags))} ;; *) ${rest} ;; esac ;;`,
      '      esac ;;',
    ].join('\n');
  });
  return `# Completion of purser for bash: put "source <(purser completion bash)" into ~/.bashrc.
_purser() {
  local words=("\${COMP_WORDS[@]}") current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  local kind=words offered=""
${WALK(places, '1', 'COMP_CWORD-1')}
  case "$at" in
${cases.join('\n')}
  esac
  COMPREPLY=()
  if [ "$kind" = files ]; then
    compopt -o default -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  elif [ "$kind" = words ]; then
    mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$current")
  fi
}
complete -F _purser purser
`;
}

function zsh(places: readonly Place[]): string {
  const described = (offered: readonly Offered[]): string =>
    offered.map(({ name, what }) => quoted(`${name}:${what.replaceAll(':', '\\:')}`.replaceAll('\\', ''))).join(' ');
  const cases = places.map(({ words, commands, flags, argument }) => {
    const before = flags.flatMap(({ name, values }) => {
      if (values === 'none') return [];
      if (values === 'files') return [`        ${name}) _files ;;`];
      return [`        ${name}) ${values === 'any' ? '_message value' : `compadd -- ${values.join(' ')}`} ;;`];
    });
    const rest =
      argument === 'files'
        ? '_files'
        : argument === 'none'
          ? '_describe command commands'
          : `compadd -- ${argument.join(' ')}`;
    return [
      `    ${quoted(words)})`,
      `      commands=(${described(commands)})`,
      `      flags=(${described(flags)})`,
      '      case "$before" in',
      ...before,
      `        *) if [[ "$current" == -* ]]; then _describe flag flags; else ${rest}; fi ;;`,
      '      esac ;;',
    ].join('\n');
  });
  return `#compdef purser
# Completion of purser for zsh: put "source <(purser completion zsh)" after compinit in ~/.zshrc.
_purser() {
  emulate -L zsh
  local current="\${words[CURRENT]}" before="\${words[CURRENT-1]}"
  local -a commands flags
${WALK(places, '1', '$((CURRENT-2))')}
  case "$at" in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = _purser ]; then _purser "$@"; else compdef _purser purser; fi
`;
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ words, commands, flags, argument }) => {
    const here = `-n '__purser_at "${words}"'`;
    const flagLine = ({ name, what, values }: Place['flags'][number]): string => {
      const taken = { none: '', files: ' -r -F', any: ' -x' };
      const value = typeof values === 'string' ? taken[values] : ` -x -a ${quoted(values.join(' '))}`;
      return `complete -c purser ${here} -l ${name.slice(2)}${value} -d ${quoted(what)}`;
    };
    return [
      ...commands.map(({ name, what }) => `complete -c purser ${here} -a ${name} -d ${quoted(what)}`),
      ...flags.map(flagLine),
      ...(argument === 'files' ? [`complete -c purser ${here} -F`] : []),
      ...(typeof argument === 'string' ? [] : [`complete -c purser ${here} -a ${quoted(argument.join(' '))}`]),
    ];
  });
  return `# Completion of purser for fish: purser completion fish > ~/.config/fish/completions/purser.fish
function __purser_at
  set -l at
  set -l skip
  for word in (commandline -opc)[2..]
    if test -n "$skip"
      set skip
      continue
    end
    switch $word
      case ${valued(places).join(' ')}
        set skip 1
        continue
      case '-*'
        continue
    end
    set -l try (string join ' ' $at $word)
    switch $try
      case ${places
        .slice(1)
        .map(({ words }) => quoted(words))
        .join(' ')}
        set at $try
    end
  end
  test "$at" = "$argv[1]"
end
complete -c purser -f
${lines.join('\n')}
`;
}
