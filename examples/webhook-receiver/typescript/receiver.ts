// A receiver of webhooks: checks the signature, leaves out repetitions, prints a line per event.
import { createServer } from "node:http";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

type Event = { type: string; timestamp: string; data: unknown };

const secret = process.env.WEBHOOK_SECRET;
if (!secret) throw new Error("WEBHOOK_SECRET is not set");
const webhook = new Webhook(secret);
const port = Number(process.env.PORT ?? 8090);
const seen = new Set<string>();

const server = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const id = String(request.headers["webhook-id"]);
    try {
      // The bytes as they came: parsing and writing them again would change them.
      const headers = request.headers as Record<string, string>;
      const event = webhook.verify(Buffer.concat(pieces), headers) as Event;
      if (!seen.has(id)) {
        seen.add(id);
        console.log(JSON.stringify({ id, type: event.type, data: event.data }));
      }
      response.writeHead(204).end();
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
      response.writeHead(401).end(error.message);
    }
  });
});
server.listen(port, "127.0.0.1", () => console.log(`listening on ${port}`));
