// Replay a failed webhook: deliveries were given up while the receiver failed. Somebody sees it, reads why, has the receiver mended, sends one of them again,
// then all that failed, and sees them delivered.

export const hands = ["mouse", "keyboard"];

export default async function ({ page, hand, known, step, sees, ask, shot }) {
  const main = page.getByRole("main");
  const [first, second] = await ask("fails");
  const row = (offset) => main.getByRole("row", { name: `${known.topic} 0:${offset}` });

  await step("sees on the overview that deliveries fail", async () => {
    const problem = page.getByRole("region", { name: "Problems" }).getByRole("group").filter({ hasText: known.subscription });
    await sees(problem.getByText("2 deliveries failed and were given up"));
    await hand.press(problem.getByText("Fix", { exact: true }).first().locator(".."));
    await shot("overview");
    await hand.press(problem.getByRole("link", { name: `To ${known.subscription}` }));
  });
  await step("sees which failed, and opens one", async () => {
    await sees(page.getByRole("heading", { name: known.subscription, level: 1 }), row(first).getByText("given up"), row(second).getByText("given up"));
    await hand.press(row(first).getByRole("button"));
    await sees(main.getByText("HTTP 500"), main.getByText(known.says));
    await shot("answer");
  });
  await ask("mended");
  await step("sends that one again", async () => {
    await hand.tick(row(first).getByRole("checkbox"));
    await hand.press(main.getByRole("button", { name: "Replay selected (1) …" }));
    const dialog = page.getByRole("dialog", { name: "Send 1 record again?" });
    await hand.press(dialog.getByRole("button", { name: "Send again" }));
    await sees(page.getByRole("status").getByText("1 record of"));
  });
  await step("sees that it is among the failed no more", async () => {
    await row(first).waitFor({ state: "detached" });
    await sees(row(second).getByText("given up"));
  });
  await step("sends all that failed again", async () => {
    await hand.press(main.getByRole("button", { name: "Replay …", exact: true }));
    const dialog = page.getByRole("dialog", { name: `Replay ${known.subscription}` });
    await sees(dialog.getByRole("checkbox", { name: /^Only what failed/, checked: true }));
    await hand.press(dialog.getByRole("button", { name: "Send again" }));
    await sees(main.getByText("Nothing failed", { exact: false }));
  });
  await step("sees them delivered", async () => {
    await hand.press(main.getByRole("button", { name: "Delivered", exact: true }));
    for (const offset of [first, second]) await sees(row(offset).getByText("delivered"), row(offset).getByText("204"));
  });
  await step("sees nothing of it on the overview any more", async () => {
    await hand.press(page.getByRole("navigation", { name: "Sections" }).getByRole("link", { name: "Overview" }));
    await sees(main.getByRole("list", { name: "In short" }));
    await page.getByRole("region", { name: "Problems" }).waitFor({ state: "detached" });
  });
  await ask("received", [first, second]);
}
