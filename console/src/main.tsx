// Mounts the console: styles, session, routes. Each page is a folder of its own and is loaded when it is gone to.

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/pieces.css";
import { render } from "preact";
import { LocationProvider, Route, Router, lazy, useLocation } from "preact-iso";
import { needsLogin } from "./api/client";
import { Boundary, NotLoaded } from "./app/broken";
import { Login } from "./app/login";
import { NotFound } from "./app/not-found";
import { BASE } from "./app/paths";
import { begin } from "./app/session";
import { Shell } from "./app/shell";

/** A page that is loaded when it is gone to, and that says so when it does not come. */
function page<T>(load: () => Promise<{ default: T }>): T {
  return lazy(() => load().catch(() => ({ default: NotLoaded as T })));
}

const Overview = page(() => import("./pages/overview/page"));
const Connectors = page(() => import("./pages/connectors/page"));
const Wizard = page(() => import("./pages/wizard/page"));
const Connector = page(() => import("./pages/connector/page"));
const Topics = page(() => import("./pages/topics/page"));
const Topic = page(() => import("./pages/topic/page"));
const Record = page(() => import("./pages/record/page"));
const Groups = page(() => import("./pages/groups/page"));
const Group = page(() => import("./pages/group/page"));
const Subscriptions = page(() => import("./pages/subscriptions/page"));
const Subscription = page(() => import("./pages/subscription/page"));
const Slots = page(() => import("./pages/slots/page"));
const Settings = page(() => import("./pages/settings/page"));
const Api = page(() => import("./pages/api/page"));
const LoginPage = page(() => import("./pages/login/page"));

let isFirst = true;

/** A page that was changed to: its heading is what a screen reader reads next. The first one begins at the top, as any page. */
function arrived() {
  const heading = document.querySelector<HTMLElement>("main h1");
  const from = document.activeElement;
  if (!isFirst && (!from || from === document.body || from.closest("header"))) heading?.focus({ preventScroll: true });
  isFirst = false;
}

function Console() {
  if (needsLogin.value) return <Login />;
  return (
    <LocationProvider scope={BASE}>
      <Shell>
        <Pages />
      </Shell>
    </LocationProvider>
  );
}

function Pages() {
  const { path } = useLocation();
  return (
    <Boundary path={path}>
      <Router onRouteChange={arrived}>
        <Route path={`${BASE}`} component={Overview} />
        <Route path={`${BASE}/connectors`} component={Connectors} />
        <Route path={`${BASE}/connectors/new`} component={Wizard} />
        <Route path={`${BASE}/connectors/:name`} component={Connector} />
        <Route path={`${BASE}/topics`} component={Topics} />
        <Route path={`${BASE}/topics/:topic`} component={Topic} />
        <Route path={`${BASE}/topics/:topic/:partition/:offset`} component={Record} />
        <Route path={`${BASE}/groups`} component={Groups} />
        <Route path={`${BASE}/groups/:group`} component={Group} />
        <Route path={`${BASE}/subscriptions`} component={Subscriptions} />
        <Route path={`${BASE}/subscriptions/:name`} component={Subscription} />
        <Route path={`${BASE}/slots`} component={Slots} />
        <Route path={`${BASE}/settings`} component={Settings} />
        <Route path={`${BASE}/api`} component={Api} />
        <Route path={`${BASE}/login`} component={LoginPage} />
        <Route default component={NotFound} />
      </Router>
    </Boundary>
  );
}

/** The session is asked for first, but a service that is slow to answer is no reason to show nothing. */
const PATIENCE_MS = 300;

const root = document.getElementById("app");
if (root) void Promise.race([begin(), new Promise((go) => setTimeout(go, PATIENCE_MS))]).finally(() => render(<Console />, root));
