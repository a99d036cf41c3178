// The application: its page, and a ticket for the user who is logged in. Its token stays here. A ticket is good for one stream, within
// 30 seconds, of this user's notifications only.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const { ROWFEED_SERVER: rowfeed, ROWFEED_TOKEN: token, PAGE_PORT: port = 8090 } = process.env;

createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (request.method === "POST" && url.pathname === "/ticket") {
    const user = Number(url.searchParams.get("user")); // Yours comes out of the session.
    const answer = await fetch(`${rowfeed}/v1/tickets`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ topics: ["notify.notifications"], where: `user_id = ${user}` }),
    });
    const { ticket } = await answer.json();
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(JSON.stringify({ stream: `${rowfeed}/v1/topics/notify.notifications/stream?ticket=${ticket}` }));
  } else {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(readFileSync("page.html"));
  }
}).listen(port, "127.0.0.1");
