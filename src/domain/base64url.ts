// Base64url without padding (RFC 4648, section 5), read strictly: Node's own decoder skips junk and ignores the last
// bits, so one value would have many spellings.

/**
 * The bytes of `text`, or undefined when it is empty, padded, holds anything but `A-Z a-z 0-9 - _`, or has loose bits.
 */
export function readBase64Url(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  // One spelling per value: a length of 4n+1 and non-zero trailing bits do not survive the way back.
  return bytes.toString('base64url') === text ? bytes : undefined;
}
