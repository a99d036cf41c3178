// A slot that eats the disk: a connector was paused and forgotten, and somebody left a slot behind. The person sees it coming, drops the one and resumes the
// other, and the WAL is released.

export const hands = ["mouse"];

export default async function ({ page, hand, known, step, sees, ask, shot }) {
  const main = page.getByRole("main");
  await ask("fills");
  const row = (slot) => main.getByRole("row", { name: new RegExp(`^${slot}`) });

  await step("sees on the overview that a slot holds too much", async () => {
    const problem = page.getByRole("region", { name: "Problems" }).getByRole("group").filter({ hasText: known.connector });
    await sees(problem.getByText(/keeps \d+ MiB of WAL; \d+ MiB more and it is lost/));
    await hand.press(problem.getByText("Fix", { exact: true }).first().locator(".."));
    await sees(problem.getByText("let the connector run and catch up"));
    await shot("overview");
  });
  await step("goes to the slots", () => hand.press(main.getByRole("link", { name: /^WAL held/ })));
  await step("sees what each holds, and how long it will do", async () => {
    await sees(row(known.slot).getByText("nobody"), row(known.slot).getByRole("meter"), row(known.slot).getByText(/about \d+ (s|min|h)/));
    await sees(row(known.left).getByText("of none"), row(known.left).getByRole("meter"));
    await shot("slots");
  });
  await step("drops the one that nobody reads, by typing its name", async () => {
    await hand.press(main.getByRole("button", { name: `Drop ${known.left} …` }));
    const dialog = page.getByRole("dialog", { name: `Drop the slot ${known.left}?` });
    const drop = dialog.getByRole("button", { name: "Drop", exact: true });
    await sees(drop);
    if (await drop.isEnabled()) throw new Error("it can be dropped without its name");
    await hand.fill(dialog.getByRole("textbox"), known.left);
    await hand.press(drop);
    await sees(page.getByRole("status").getByText(`The slot ${known.left} is dropped`));
    await row(known.left).waitFor({ state: "detached" });
  });
  await ask("dropped");
  await step("resumes the connector that the other belongs to", async () => {
    await hand.press(row(known.slot).getByRole("link", { name: known.connector, exact: true }));
    await sees(page.getByRole("heading", { name: known.connector, level: 1 }), page.getByText("paused").first());
    await hand.press(main.getByRole("button", { name: "Resume" }));
    const dialog = page.getByRole("dialog");
    await hand.press(dialog.getByRole("button", { name: "Resume" }));
    await sees(page.getByText("streaming").first());
  });
  await ask("released");
  await step("sees that it is over", async () => {
    await hand.press(page.getByRole("navigation", { name: "Sections" }).getByRole("link", { name: "Overview" }));
    await sees(main.getByRole("list", { name: "In short" }));
    await page.getByRole("region", { name: "Problems" }).waitFor({ state: "detached" });
  });
}
