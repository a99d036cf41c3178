"""A receiver of webhooks: checks the signature, leaves out repetitions, prints a line per event."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # Connections are kept open.

    def do_POST(self):
        # The bytes as they came: parsing and writing them again would change them.
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = webhook.verify(body, dict(self.headers))
        except WebhookVerificationError as error:
            return self.answer(401, str(error).encode())
        event_id = self.headers["webhook-id"]
        if event_id not in seen:
            seen.add(event_id)
            print(json.dumps({"id": event_id, "type": event["type"], "data": event["data"]}), flush=True)
        self.answer(204)

    def answer(self, status: int, body: bytes = b""):
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8090"))
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on {port}", flush=True)
    server.serve_forever()
