// One connector's page, tab by tab, and the wizard step by step. Nothing is changed in the service: dialogs are opened and closed again.

const name = (text) => encodeURIComponent(text);

/** The address of the first connector that streams, or of the first. */
const connector = (search) => async (base) => {
  const answer = await fetch(new URL("/v1/connectors", base));
  const { items = [] } = answer.ok ? await answer.json() : {};
  const one = items.find((item) => item.state === "streaming") ?? items[0];
  return one ? `/ui/connectors/${name(one.name)}${search}` : null;
};

export const CONNECTOR_PAGES = [
  { name: "connector", path: connector(""), ready: ".band [role=option]", then: band },
  { name: "connector-tables", path: connector("?tab=tables"), ready: "tbody tr, .empty", then: snapshotDialog },
  { name: "connector-snapshot", path: connector("?tab=snapshot"), ready: "h2", then: runs },
  { name: "connector-timeline", path: connector("?tab=timeline"), ready: "tbody tr" },
  { name: "connector-offsets", path: connector("?tab=offsets"), ready: ".facts, .empty" },
  { name: "connector-config", path: connector("?tab=config"), ready: ".options", then: planned },
  { name: "connector-file", path: connector("?tab=config&view=file"), ready: "textarea" },
  { name: "connector-check", path: connector("?tab=check"), ready: ".findings-sum b" },
  { name: "connector-delete", path: connector(""), ready: ".band", then: deleteDialog },
  { name: "connector-none", path: "/ui/connectors/no%2Fsuch", ready: ".empty" },
  { name: "wizard", path: "/ui/connectors/new", ready: ".fields", then: pasted },
  { name: "wizard-empty", path: "/ui/connectors/new", ready: ".fields", then: lacking },
  { name: "wizard-tables", path: "/ui/connectors/new?step=2", before: drafted, mayLog: ["422"], ready: ".step-foot" },
  { name: "wizard-events", path: "/ui/connectors/new?step=3", before: drafted, mayLog: ["422"], ready: ".checks" },
  { name: "wizard-snapshot", path: "/ui/connectors/new?step=4", before: drafted, mayLog: ["422"], ready: ".checks" },
  { name: "wizard-review", path: "/ui/connectors/new?step=5", before: drafted, mayLog: ["422"], ready: "section .code", then: reviewed },
];

/** The arrow keys go along the band, and what is chosen is in the address. */
async function band(page, fail) {
  await page.locator(".band").focus();
  await page.keyboard.press("End");
  await page.waitForSelector(".band-chosen").catch(() => fail("the band says nothing about what is chosen"));
  if (!new URL(page.url()).searchParams.has("at")) fail("what is chosen is not in the address");
  await page.locator(".band-table summary").click();
  const [drawn, listed] = [await page.locator(".band [role=option]").count(), await page.locator(".band-table tbody tr").count()];
  if (drawn !== listed) fail(`${drawn} stretches are drawn, ${listed} are in the table`);
}

/** As many as the service remembers. */
async function runs(page, fail) {
  const all = await page.evaluate(async () => (await (await fetch("/v1/connectors")).json()).items);
  const one = all.find((item) => new URL(page.url()).pathname.endsWith(`/${name(item.name)}`));
  const rows = await page.locator("[aria-labelledby=runs] tbody tr").count();
  if (rows !== one.snapshots.length) fail(`${rows} snapshots are listed, not ${one.snapshots.length}`);
}

async function snapshotDialog(page, fail) {
  const button = page.locator("tbody button", { hasText: "Snapshot" }).first();
  if ((await button.count()) === 0) return;
  await button.click();
  await page.waitForSelector("dialog[open]");
  await page.locator("dialog summary").click();
  if (!(await page.locator("dialog").innerText()).includes("rowfeed snapshot start")) fail("the dialog does not show the command");
}

/** A change says what it would do before it is saved; a secret is not in the page. */
async function planned(page, fail) {
  await page.getByLabel("slot.name").fill("another_slot");
  await page.waitForSelector("section.panel table").catch(() => fail("a change does not say what it would do"));
}

async function deleteDialog(page, fail) {
  await page.getByRole("button", { name: "Delete" }).click();
  await page.waitForSelector("dialog[open]");
  const button = page.locator("dialog button.danger");
  if ((await button.count()) > 0 && (await button.isEnabled())) fail("deleting does not ask for the name");
}

/** A password that is pasted goes out of sight, and is kept nowhere. */
async function pasted(page, fail) {
  const field = page.getByLabel("URL of the database");
  await field.fill("postgres://cdc:hunter2@127.0.0.1:1/shop");
  await field.press("Enter");
  await page.waitForSelector(".findings-sum b, .problem", { timeout: 20_000 }).catch(() => fail("the doctor says nothing"));
  const seen = (await page.locator("main").innerText()) + (await field.inputValue()) + page.url();
  const kept = await page.evaluate(() => JSON.stringify({ ...sessionStorage }) + JSON.stringify({ ...localStorage }));
  if ((seen + kept).includes("hunter2")) fail("the password is seen, or kept");
}

/** Going on with nothing written says at the fields what is missing, and goes to the first. */
async function lacking(page, fail) {
  await page.getByRole("link", { name: "On to tables" }).click();
  const host = page.getByRole("textbox", { name: "Host" });
  await host.and(page.locator("[aria-invalid=true]:focus")).waitFor({ timeout: 5000 }).catch(() => fail("the first field that lacks something has not the focus"));
  if (new URL(page.url()).searchParams.has("step")) fail("it went on without a host");
  await page.getByRole("navigation", { name: "Steps" }).getByRole("link", { name: "Review" }).click();
  const create = page.getByRole("button", { name: /^Create/ });
  if (await create.isEnabled()) fail("a connector without a connection can be made");
}

/** A draft as the tab keeps it. */
async function drafted(page) {
  const draft = { host: "127.0.0.1", port: "1", user: "cdc", database: "shop", name: "no-such", tables: ["public.orders"] };
  await page.addInitScript((text) => sessionStorage.setItem("rowfeed.new-connector", text), JSON.stringify(draft));
}

async function reviewed(page, fail) {
  const text = await page.locator("main").innerText();
  for (const part of ["connectors/no-such.toml", "connectors/no-such.json", 'tables = ["public.orders"]']) {
    if (!text.includes(part)) fail(`the review lacks ${part}`);
  }
  const create = page.getByRole("button", { name: "Create no-such" });
  await page.getByText("It would not start").waitFor({ timeout: 20_000 }).catch(() => fail("it is not said why it cannot be made"));
  if (await create.isEnabled()) fail("a connector that would fail can be made");
  const why = await create.evaluate((button) => document.getElementById(button.getAttribute("aria-describedby") ?? "")?.textContent ?? "");
  if (!why.includes("must be")) fail(`the reason is not tied to the button: ${why}`);
}
