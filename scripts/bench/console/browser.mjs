// The browser that is measured with: Debian's Chromium, driven by the console's own playwright-core. CHROMIUM names another.

import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../../console/package.json", import.meta.url))("playwright-core");

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

/** A window of an ordinary laptop, with nothing cached. */
export const WINDOW = { viewport: { width: 1440, height: 900 }, locale: "en-GB" };
