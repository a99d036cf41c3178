// Tabs without a browser: `tabs.mjs BASE_URL TOPIC COUNT` opens so many WebSockets, each with what a console's tab asks for while it shows a live
// tail (src/live/asked.ts), and reads and thanks as that does, until its input ends. Says "open" when all are answered, and at the end how many
// records were shown and left out. Node 20 needs --experimental-websocket.

const [base, topic, count = "1"] = process.argv.slice(2);
const url = `${base.replace(/^http/, "ws")}/v1/ws`;
let [answered, shown, left] = [0, 0, 0];

for (let i = 0; i < Number(count); i += 1) {
  const socket = new WebSocket(url, "rowfeed.v1");
  const say = (message) => socket.send(JSON.stringify(message));
  socket.onopen = () => {
    say({ type: "watch", what: ["metrics"] });
    say({ type: "subscribe", id: "s1", topics: [topic], where: null, op: null, key: null, columns: null, view: "diff", credit: 500, from: "latest", mode: "sample", rate: 200 });
  };
  socket.onmessage = ({ data }) => {
    const said = JSON.parse(data);
    if (said.type === "subscribed" && (answered += 1) === Number(count)) console.log("open");
    if (said.type === "skipped") left += said.n;
    if (said.type !== "records") return;
    shown += said.items.length;
    say({ type: "credit", id: "s1", n: said.items.length });
  };
  socket.onclose = ({ code, reason }) => {
    console.error(`a socket was closed: ${code} ${reason}`);
    process.exit(1);
  };
}
process.stdin.on("end", () => {
  console.log(`${shown} shown, ${left} left out`);
  process.exit(0);
});
process.stdin.resume();
