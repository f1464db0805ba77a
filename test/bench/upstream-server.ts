// The cheapest honest service: the same 512 bytes of JSON for every request, written to the socket as they are, so that
// the service is never what limits a proxy in front of it.
import { createServer } from 'node:net';
import { announce } from './children.ts';

const BODY = JSON.stringify({ forecast: 'x'.repeat(512 - '{"forecast":""}'.length) });
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\nServer: bench\r\n\r\n${BODY}`,
);
const HEAD_END = '\r\n\r\n';

const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    for (let end = rest.indexOf(HEAD_END); end !== -1; end = rest.indexOf(HEAD_END)) {
      rest = rest.slice(end + HEAD_END.length);
      socket.write(ANSWER);
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address && typeof address === 'object') announce(`http://127.0.0.1:${address.port}`);
});
