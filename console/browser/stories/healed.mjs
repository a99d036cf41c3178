// A broken database, healed by the printed SQL: the role may not replicate, not read, not publish, and a table has no identity. The person copies what
// the page offers, and it runs as it is, as a superuser would run it.

export const hands = ["mouse"];
/** What hinders one thing may hide another behind it: a publication is tried once its tables are fit for it. */
const ROUNDS_MAX = 3;
// The sample of a table that the role may not read yet.
export const mayLog = ["422"];

export default async function ({ page, hand, step, sees, ask, shot }) {
  const main = page.getByRole("main");
  // `keyed` is a table with a key, `keyless` one without; `role` has no right but to log in.
  const { url, role, connector, keyed, keyless } = await ask("broken");
  const next = (what) => hand.press(main.getByRole("link", { name: `On to ${what}` }));
  const name = (table) => table.split(".")[1];
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  /** Copies the script, or the one fix that there is, and has it run. */
  const heal = async () => {
    const whole = main.getByRole("button", { name: "Copy the script" });
    await hand.press((await whole.count()) > 0 ? whole : main.getByRole("button", { name: /^Copy the fix of/ }));
    await sees(main.getByRole("button", { name: "Copied" }));
    const sql = await page.evaluate(() => navigator.clipboard.readText());
    await ask("sql", sql);
    return sql;
  };

  await step("is told that the role may not replicate", async () => {
    await hand.press(main.getByRole("link", { name: "Connect a database" }));
    await hand.fill(main.getByRole("textbox", { name: "URL of the database" }), url);
    await page.keyboard.press("Enter");
    await sees(main.getByText(/It cannot be captured yet: \d+ things? must be mended/), main.getByText(`role ${role} has no REPLICATION attribute`));
    await main.getByRole("button", { name: "Copy the script" }).scrollIntoViewIfNeeded();
    await shot("database");
  });
  await step("runs what is printed, and looks again", async () => {
    const sql = await heal();
    if (/visits|customers|orders/.test(sql)) throw new Error(`no table is chosen yet, and the script has one:\n${sql}`);
    await hand.press(main.getByRole("button", { name: "Check the database" }));
    await sees(main.getByText("✓ It can be captured."));
    await next("tables");
  });
  await step("chooses a table that may not be read yet, and one without a key", async () => {
    await sees(main.getByText("this role may not read it").first());
    await hand.tick(main.getByRole("checkbox", { name: name(keyed), exact: true }));
    if (await main.getByRole("checkbox", { name: name(keyless), exact: true }).isEnabled()) throw new Error("a table that would break the application can be chosen");
    await hand.tick(main.getByRole("checkbox", { name: /REPLICA IDENTITY FULL/ }));
    await sees(main.getByText("2 tables, "));
    await shot("tables");
    for (const what of ["events", "snapshot", "review"]) await next(what);
  });
  await step("cannot make what would fail, and reads why", async () => {
    const create = main.getByRole("button", { name: `Create ${connector}` });
    await sees(main.getByText(/It would not start: \d+ things? must be mended in the database/), main.getByText(`no SELECT on ${keyed}, ${keyless}`));
    if (await create.isEnabled()) throw new Error("it can be made");
    await shot("review");
  });
  await step("runs what is printed for these two, until all is green", async () => {
    const [green, red] = [main.getByText("All is well."), main.getByText("It would not start:")];
    for (let round = 1; round === 1 || (await red.count()) > 0; round++) {
      if (round > ROUNDS_MAX) throw new Error(`not healed after ${ROUNDS_MAX} rounds`);
      const sql = await heal();
      if (!sql.includes(`"${name(keyed)}"`) || !sql.includes(`"${name(keyless)}"`) || sql.includes("untouched")) throw new Error(`not for the chosen tables alone:\n${sql}`);
      await hand.press(main.getByRole("button", { name: "Check again" }));
      await sees(main.getByText("It is being checked."));
      await sees(green.or(red));
    }
    await sees(main.getByText("✓ It can be captured."), green);
    await shot("healed");
    await hand.press(main.getByRole("button", { name: `Create ${connector}`, exact: true }));
  });
  await step("sees the rows come, and a change of the table without a key", async () => {
    await sees(page.getByRole("heading", { name: connector, level: 1 }), main.getByText(/took /));
    const value = await ask("changes");
    await hand.press(main.getByRole("link", { name: "Tables", exact: true }));
    await hand.press(main.getByRole("link", { name: `${connector}.${keyless}` }));
    await sees(main.getByText(value).first());
    await shot("topic");
  });
}
