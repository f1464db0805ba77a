// Real certificates for tests: an authority of one's own and what it signs for this machine, made with openssl.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files and texts, PEM. */
export interface Certificates {
  readonly folder: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Removes the folder. */
  remove(): void;
}

const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** An authority, and a certificate of it for localhost, 127.0.0.1 and `*.test`. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'purser-certificates-'));
  const [caKey, caFile] = [join(folder, 'ca-key.pem'), join(folder, 'ca.pem')];
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const [request, names] = [join(folder, 'request.pem'), join(folder, 'names')];
  openssl('req', '-x509', ...EC, '-days', '2', '-subj', '/CN=test authority', '-keyout', caKey, '-out', caFile);
  openssl('req', ...EC, '-subj', '/CN=localhost', '-keyout', keyFile, '-out', request);
  writeFileSync(names, 'subjectAltName=DNS:localhost,DNS:*.test,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n');
  const signed = ['-CA', caFile, '-CAkey', caKey, '-CAcreateserial', '-days', '2', '-extfile', names];
  openssl('x509', '-req', '-in', request, ...signed, '-out', certFile);
  const [ca = '', cert = '', key = ''] = [caFile, certFile, keyFile].map((file) => readFileSync(file, 'utf8'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  return { folder, caFile, certFile, keyFile, ca, cert, key, remove };
}
