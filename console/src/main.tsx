// Mounts the console: styles, session, routes. Each page is a folder of its own; those that are not the first
// anybody sees are loaded in two groups, when one of them is gone to.

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

const streams = () => import("./pages/streams");
const sources = () => import("./pages/sources");
type Streams = Awaited<ReturnType<typeof streams>>;
type Sources = Awaited<ReturnType<typeof sources>>;

const ofStreams = (name: keyof Streams) => ({ load: async () => (await streams())[name] });
const ofSources = (name: keyof Sources) => ({ load: async () => (await sources())[name] });

const ROUTES: readonly Route[] = [
  [BASE, Overview],
  [`${BASE}/connectors`, Connectors],
  [`${BASE}/connectors/new`, ofSources("Wizard")],
  [`${BASE}/connectors/:name`, ofSources("Connector")],
  [`${BASE}/topics`, ofStreams("Topics")],
  [`${BASE}/topics/:topic`, ofStreams("Topic")],
  [`${BASE}/topics/:topic/:partition/:offset`, ofStreams("Record")],
  [`${BASE}/groups`, ofStreams("Groups")],
  [`${BASE}/groups/:group`, ofStreams("Group")],
  [`${BASE}/subscriptions`, ofStreams("Subscriptions")],
  [`${BASE}/subscriptions/:name`, ofStreams("Subscription")],
  [`${BASE}/slots`, ofSources("Slots")],
  [`${BASE}/settings`, ofSources("Settings")],
  [`${BASE}/api`, ofSources("Api")],
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
