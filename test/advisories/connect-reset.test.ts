// A connection that asks for a tunnel and is reset at once must not end the process, whoever sends it: no token is
// needed for it.
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { sendRaw, spawnGateway } from '../support/gateway.ts';

const CONNECT = 'CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n';

/** Writes the bytes and resets the connection in the same moment. */
function writeAndReset(url: string, bytes: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.on('connect', () => socket.write(bytes, () => socket.resetAndDestroy()));
  });
}

test('CONNECT and a reset in one moment leave the gateway running', async () => {
  const gateway = await spawnGateway();
  try {
    const pipelined = `GET / HTTP/1.1\r\nHost: x\r\n\r\n${CONNECT}`;
    for (let round = 0; round < 3; round += 1) {
      for (const bytes of [CONNECT, `${CONNECT}more`, pipelined]) {
        await Promise.all(Array.from({ length: 200 }, () => writeAndReset(gateway.agents, bytes)));
      }
    }
    const answer = await sendRaw(gateway.agents, CONNECT);
    expect(answer).toMatch(/^HTTP\/1\.1 405 /);
    expect(gateway.child.exitCode).toBe(null);
  } finally {
    await gateway.close();
  }
});

test('a CONNECT behind a request is never written into the answer of that request', async () => {
  const gateway = await spawnGateway();
  try {
    const request = 'GET /.purser/services HTTP/1.1\r\nHost: x\r\n';
    const bytes = `${request}Purser-Token: ${await gateway.token()}\r\n\r\n${CONNECT}`;
    const answer = await sendRaw(gateway.agents, bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer.split('HTTP/1.1 ')).toHaveLength(2);
  } finally {
    await gateway.close();
  }
});
