// A receiver of webhooks that is not at its best: one request in eleven is answered with 503. `receiver.mjs PORT`, until it is ended.

import { createServer } from "node:http";

const REFUSED_EVERY = 11;
let seen = 0;

createServer((request, response) => {
  request.resume().on("end", () => {
    seen += 1;
    const refused = seen % REFUSED_EVERY === 0;
    response.writeHead(refused ? 503 : 202, { "content-type": "text/plain" }).end(refused ? "the mail server does not answer\n" : "");
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
