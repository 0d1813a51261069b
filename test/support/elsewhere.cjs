// Runs in a dyno: the tunnel's port once more, on an address that the server's certificate does not name.
const { connect, createServer } = require('node:net');

const port = Number(new URL(process.env.DATABASE_URL).port);
const server = createServer((from) => {
  const to = connect(port, '127.0.0.1');
  for (const [a, b] of [
    [from, to],
    [to, from],
  ]) {
    a.pipe(b);
    a.on('error', () => b.destroy());
  }
});
server.listen(port, '127.0.0.2', () => console.log('ready'));
