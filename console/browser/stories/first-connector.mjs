// The first connector from nothing: a person has the URL of a database, follows the wizard, and ends at a record of their own table. Done with the
// keyboard alone, too.

export const hands = ["mouse", "keyboard"];

export default async function ({ page, hand, step, sees, ask, shot }) {
  const main = page.getByRole("main");
  // `url` with its password, the connector's name by default, a table with a value that only it has.
  const { url, password, connector, table, value } = await ask("nothing");
  const [, bare] = table.split(".");
  const next = (what) => hand.press(main.getByRole("link", { name: `On to ${what}` }));

  await step("finds the way in on an overview without connectors", async () => {
    await sees(main.getByRole("heading", { name: "No connector yet" }));
    await shot("nothing");
    await hand.press(main.getByRole("link", { name: "Connect a database" }));
  });
  await step("wants to go on with nothing, and is told what is missing", async () => {
    await sees(main.getByRole("heading", { name: "Database", exact: true }));
    await next("tables");
    await sees(main.getByText("which server?"));
  });
  await step("pastes the URL, and the doctor answers", async () => {
    const field = main.getByRole("textbox", { name: "URL of the database" });
    await hand.fill(field, url);
    await page.keyboard.press("Enter");
    await sees(main.getByText("✓ It can be captured."), main.getByText("wal_level"));
    if ((await field.inputValue()).includes(password) || (await main.innerText()).includes(password)) throw new Error("the password is seen");
    await shot("database");
    await next("tables");
  });
  await step("picks a table", async () => {
    await sees(main.getByText("No table is chosen yet."));
    await hand.tick(main.getByRole("checkbox", { name: bare, exact: true }));
    await sees(main.getByRole("status").getByText("1 table, "));
    await shot("tables");
    await next("events");
  });
  await step("sees a row of their own table as the event that it becomes", async () => {
    const sample = main.getByRole("region", { name: "Sample" });
    await sees(sample.getByText(`${connector}.${table}`), sample.getByText(value).first());
    await shot("events");
    await next("snapshot");
  });
  await step("has all rows read first", async () => {
    await sees(main.getByRole("radio", { name: /^All rows/, checked: true }), main.getByText("1 table, ").first());
    await next("review");
  });
  await step("sees that nothing stands against it, and makes it", async () => {
    const create = main.getByRole("button", { name: new RegExp(`^Create ${connector}`) });
    await sees(main.getByText("✓ It can be captured."), main.getByText(/All is well\.|To be weighed:/));
    await shot("review");
    await hand.press(create);
  });
  await step("sees the snapshot end", async () => {
    await sees(page.getByRole("heading", { name: connector, level: 1 }), main.getByText("✓ done").first(), main.getByText(/took /));
    await shot("snapshot");
  });
  await step("goes to the table's topic, and finds the row there", async () => {
    await hand.press(main.getByRole("link", { name: "Tables", exact: true }));
    await hand.press(main.getByRole("link", { name: `${connector}.${table}` }));
    await sees(page.getByRole("heading", { name: `${connector}.${table}`, level: 1 }), main.getByText(value).first());
    await shot("topic");
  });
  // And the world is as it was.
  await ask("streams", connector);
}
