// Watch a snapshot through a restart of the service: the page says that it is away, goes on by itself, and shows the snapshot to its end.

export const mayLog = ["Failed to load resource", "WebSocket connection"];

export default async function ({ page, hand, known, step, sees, ask, shot }) {
  const main = page.getByRole("main");
  const bar = main.getByRole("progressbar", { name: `Initial snapshot of ${known.connector}` });
  const part = async () => Number(await bar.getAttribute("aria-valuenow"));
  const reaches = async (least) => {
    const until = Date.now() + 30_000;
    while ((await part()) < least) {
      if (Date.now() > until) throw new Error(`it stays at ${await part()} %, and does not come to ${least} %`);
      await page.waitForTimeout(100);
    }
  };
  const away = page.getByRole("status").getByText("Rowfeed does not answer");

  await step("sees on the overview that a snapshot is taken", () => sees(main.getByRole("row", { name: new RegExp(`^${known.connector}`) }).getByRole("progressbar")));
  await step("goes to it", async () => {
    await hand.press(main.getByRole("row", { name: new RegExp(`^${known.connector}`) }).getByRole("link", { name: known.connector, exact: true }));
    await hand.press(main.getByRole("navigation", { name: `Views of ${known.connector}` }).getByRole("link", { name: "Snapshot" }));
    await sees(bar, main.getByText("estimated from table statistics"));
  });
  await step("watches it grow", () => reaches(10));
  let seen = 0;
  await step("is told that the service is away", async () => {
    seen = await part();
    await ask("stops");
    await sees(away);
    if ((await part()) < seen) throw new Error(`what was shown is gone: ${await part()} % after ${seen} %`);
    await shot("away");
  });
  await step("sees it come back by itself", async () => {
    await ask("starts");
    await away.waitFor({ state: "detached" });
    await sees(page.getByRole("heading", { name: known.connector, level: 1 }), bar);
  });
  await step("sees the snapshot go on to its end", async () => {
    await reaches(Math.min(99, seen + 5));
    await sees(main.getByRole("row", { name: /^public\.parcels/ }).getByText("✓ done"), main.getByText("100 %").first());
    await sees(page.getByText("streaming").first());
    await shot("done");
  });
  await ask("counts");
}
