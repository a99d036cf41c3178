// Watch changes as they come while the service is killed in the middle: the page says that it is away, and afterwards each change stands in the list
// once, those of the time between as well.

export const mayLog = ["Failed to load resource", "WebSocket connection"];

export default async function ({ page, hand, known, step, sees, ask, shot }) {
  const main = page.getByRole("main");
  const numbers = async () => (await main.locator(".record-list > tbody > tr > td:last-child").allInnerTexts()).map(Number);
  const away = page.getByRole("status").getByText("Rowfeed does not answer");

  await ask("flows");
  await step("goes to the topic, and has its changes come", async () => {
    await hand.press(page.getByRole("navigation", { name: "Sections" }).getByRole("link", { name: "Topics" }));
    await hand.press(main.getByRole("link", { name: known.topic, exact: true }));
    await hand.press(main.getByRole("button", { name: "Live" }));
    await sees(main.getByRole("button", { name: "Stop" }));
    // A list with the pointer over it stands still.
    await page.mouse.move(5, 5);
  });
  let seen = 0;
  await step("sees them come", async () => {
    [seen] = await numbers();
    await sees(main.getByRole("link", { name: String(seen + 3), exact: true }));
  });
  await step("is told that the service is away, and keeps what came", async () => {
    const before = (await numbers()).length;
    await ask("is-killed");
    await sees(away, main.getByText("The list goes on where it stopped"));
    if ((await numbers()).length < before) throw new Error("what was shown is gone");
    await shot("away");
  });
  await step("sees it go on by itself", async () => {
    await ask("starts");
    await away.waitFor({ state: "detached" });
    await sees(main.getByText("The list went on exactly where it stopped"));
  });
  await step("sees each change once, to the last", async () => {
    const last = await ask("ends");
    await sees(main.getByRole("link", { name: String(last), exact: true }));
    // A list that somebody reads is drawn whole.
    await main.locator(".record-list").hover();
    await sees(main.getByRole("link", { name: String(seen), exact: true }));
    const shown = await numbers();
    const odd = shown.findIndex((one, i) => i > 0 && one !== shown[i - 1] - 1);
    if (shown[0] !== last || shown.at(-1) > seen || odd >= 0) throw new Error(`after the record ${shown[odd - 1]} comes ${shown[odd]}, of ${shown}`);
    await shot("whole");
  });
}
