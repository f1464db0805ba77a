// The flags that several commands share, and how their values are read.
import { type Command, InvalidArgumentError } from 'commander';
import { readInstant } from '../domain/rfc3339.ts';
import { gatewayUrl } from './gateway-url.ts';

/** Ends a command with its exit code. */
export type Done = (code: number) => void;

/** What a command that gives an order is told. */
export interface OrderFlags {
  config: string;
  json: boolean;
  gateway?: string;
  tokenFile?: string;
}

/** A command that reads the configuration. */
export const configured = (command: Command): Command =>
  command.option('--config <file>', 'the configuration', 'config.yaml');

/** … and prints a table or JSON. */
export const asked = (command: Command): Command => configured(command).option('--json', 'print JSON', false);

/** … and asks a running gateway. */
export const ordered = (command: Command): Command =>
  asked(command)
    .option('--gateway <url>', 'the operators’ port of a gateway; that of the configuration unless told', gatewayUrl)
    .option('--token-file <path>', 'a file with an operator token; PURSER_OPERATOR_TOKEN unless told');

/** A command about a stretch of time. */
export const timed = (command: Command): Command =>
  command
    .option('--since <time>', 'from this on, such as 2026-11-23 or 2026-11-23T10:00:00Z')
    .option('--until <time>', 'before this');

/** An instant as people write it, in ms since 1970. */
export function instant(text: string): number {
  const ms = readInstant(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be an instant such as 2026-11-23T10:00:00Z.');
  return ms;
}

/** A whole number from 1. */
export function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(text);
}
