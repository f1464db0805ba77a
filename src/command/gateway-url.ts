// The address that `--gateway` takes.
import { InvalidArgumentError } from 'commander';

/** Without a slash at its end. Throws InvalidArgumentError: a token must not travel where others can read it. */
export function gatewayUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const bare = url && [url.username, url.password, url.search, url.hash].every((part) => part === '');
  if (!bare || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError('It must be an address such as https://purser.example.com:8403.');
  }
  const loopback = url.hostname === 'localhost' || url.hostname === '[::1]' || url.hostname.startsWith('127.');
  if (url.protocol === 'https:' || loopback) return url.href.replace(/\/+$/, '');
  throw new InvalidArgumentError('It must be https beyond loopback: the operator token would travel unencrypted.');
}
