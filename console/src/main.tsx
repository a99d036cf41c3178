// Mounts the console: styles, session, routes. Each page is a folder of its own; those that nobody sees first
// are loaded when one of them is gone to.

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/pieces.css";
import { render } from "preact";
import { needsLogin } from "./api/client";
import { Boundary } from "./app/broken";
import { Login } from "./app/login";
import { Pages, type Route } from "./app/pages";
import { BASE } from "./app/paths";
import { place } from "./app/place";
import { begin } from "./app/session";
import { Shell } from "./app/shell";
import Connectors from "./pages/connectors/page";
import LoginPage from "./pages/login/page";
import Overview from "./pages/overview/page";

const later = () => import("./pages/later");
const page = (name: keyof Awaited<ReturnType<typeof later>>) => ({ load: async () => (await later())[name] });

const ROUTES: readonly Route[] = [
  [BASE, Overview],
  [`${BASE}/connectors`, Connectors],
  [`${BASE}/connectors/new`, page("Wizard")],
  [`${BASE}/connectors/:name`, page("Connector")],
  [`${BASE}/topics`, page("Topics")],
  [`${BASE}/topics/:topic`, page("Topic")],
  [`${BASE}/topics/:topic/:partition/:offset`, page("Record")],
  [`${BASE}/groups`, page("Groups")],
  [`${BASE}/groups/:group`, page("Group")],
  [`${BASE}/subscriptions`, page("Subscriptions")],
  [`${BASE}/subscriptions/:name`, page("Subscription")],
  [`${BASE}/slots`, page("Slots")],
  [`${BASE}/settings`, page("Settings")],
  [`${BASE}/api`, page("Api")],
  [`${BASE}/login`, LoginPage],
];

function Console() {
  if (needsLogin.value) return <Login />;
  return (
    <Shell>
      <Boundary path={place.value.path}>
        <Pages routes={ROUTES} />
      </Boundary>
    </Shell>
  );
}

/** The session is asked for first, but a service that is slow to answer is no reason to show nothing. */
const PATIENCE_MS = 300;

const root = document.getElementById("app");
if (root) void Promise.race([begin(), new Promise((go) => setTimeout(go, PATIENCE_MS))]).finally(() => render(<Console />, root));
