// Who is logged in. The secret is posted once and forgotten: what stays is a cookie that scripts cannot read.

import { signal } from "@preact/signals";
import { asProblem, del, get, needsLogin, post } from "../api/client";
import { nextPage } from "./next";
import { ui } from "./paths";
import { route } from "./place";
import { failed } from "./toasts";

interface Session {
  authenticated: boolean;
  /** Whose token was shown; null where none was needed. */
  name: string | null;
  scopes: string[];
  auth: "token" | "loopback" | "none";
}

export const session = signal<Session | null>(null);

/** True when there is something to log out of. */
export const loggedIn = signal(false);

/** Logs in with a token. Throws an ApiProblem when it is refused. */
export async function logIn(token: string): Promise<void> {
  await post("/v1/session", { token }, { asksLogin: false });
  await look();
  // On the login's own page the next one is named by the address.
  if (location.pathname === ui.login()) route(nextPage(new URLSearchParams(location.search).get("next") ?? undefined), true);
  needsLogin.value = false;
}

export async function logOut(): Promise<void> {
  try {
    await del("/v1/session");
    location.reload();
  } catch (error) {
    failed("Not logged out", asProblem(error));
  }
}

/** Asks who this is. */
export async function look(): Promise<void> {
  try {
    session.value = await get<Session>("/v1/session");
    // From the service's own machine no token may be needed: then there is nothing to log out of.
    loggedIn.value = session.value.authenticated && session.value.auth !== "none" && session.value.name !== null;
  } catch {
    // 401 has asked for a login by itself; anything else is told by the page's own requests.
    session.value = null;
    loggedIn.value = false;
  }
}

/** Takes `#login=SECRET` out of the address at once, and logs in with it. What went wrong is told by the form. */
export async function begin(): Promise<void> {
  // A link works once; a token in an address would stay in its history, and could be somebody else's.
  const secret = /^#login=(once_.+)$/.exec(location.hash)?.[1];
  if (secret !== undefined) {
    history.replaceState(null, "", location.pathname + location.search);
    try {
      await logIn(decodeURIComponent(secret));
      return;
    } catch {
      linkRefused.value = true;
      needsLogin.value = true;
      return;
    }
  }
  await look();
}

// A login link that is pasted into an open tab changes nothing but the fragment.
window.addEventListener("hashchange", () => {
  if (location.hash.startsWith("#login=")) void begin();
});

/** True when a login link was used before, or is too old. */
export const linkRefused = signal(false);
