// Why was this cache key deleted? Somebody knows the key and nothing else; the story ends at the very record that took it away.

export const hands = ["mouse", "keyboard"];

export default async function ({ page, hand, known, step, sees, ask, shot }) {
  const { offset, before, after, transaction } = await ask("changes");
  const place = `${known.topic} 0:${offset}`;
  const main = page.getByRole("main");

  await step("goes to the subscriptions, and to the cache", async () => {
    await hand.press(page.getByRole("navigation", { name: "Sections" }).getByRole("link", { name: "Subscriptions" }));
    await hand.press(main.getByRole("link", { name: known.subscription, exact: true }));
    await sees(page.getByRole("heading", { name: known.subscription, level: 1 }));
  });
  await step("asks about the key", async () => {
    await hand.press(main.getByRole("link", { name: "Explain a key" }));
    await sees(main.getByText("The keys of this subscription are made of"));
    await hand.fill(main.getByLabel("Key", { exact: true }), known.key);
    await hand.press(main.getByRole("button", { name: "Explain" }));
  });
  await step("reads why it is gone", async () => {
    await sees(
      main.getByText(`${known.key} was last taken away because transaction ${transaction} changed a row of ${known.topic}`),
      main.getByRole("row", { name: place }).first().getByText(`${before} → ${after}`),
    );
    await shot("why");
  });
  await step("goes to the record that did it", async () => {
    await hand.press(main.getByRole("link", { name: place }).first());
    await sees(page.getByRole("heading", { name: /^UPDATE id=42/, level: 1 }));
    if (!page.url().endsWith(`/ui/topics/${known.topic}/0/${offset}`)) throw new Error(`that is another record: ${page.url()}`);
    const row = main.getByRole("row", { name: /^price/ });
    await sees(row.getByText(before, { exact: true }), row.getByText(after, { exact: true }));
    await shot("record");
  });
  await step("sees that it is that transaction", async () => {
    await hand.press(main.getByRole("link", { name: "Source" }));
    await sees(main.getByText(String(transaction), { exact: true }));
  });
}
