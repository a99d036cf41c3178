// Mounts the console: styles, session, routes. Each page is a folder of its own and is loaded when it is gone to.

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/pieces.css";
import { render } from "preact";
import { ErrorBoundary, LocationProvider, Route, Router, lazy } from "preact-iso";
import { needsLogin } from "./api/client";
import { Login } from "./app/login";
import { NotFound } from "./app/not-found";
import { BASE } from "./app/paths";
import { begin } from "./app/session";
import { Shell } from "./app/shell";

const Overview = lazy(() => import("./pages/overview/page"));
const Connectors = lazy(() => import("./pages/connectors/page"));
const Wizard = lazy(() => import("./pages/wizard/page"));
const Connector = lazy(() => import("./pages/connector/page"));
const Topics = lazy(() => import("./pages/topics/page"));
const Topic = lazy(() => import("./pages/topic/page"));
const Record = lazy(() => import("./pages/record/page"));
const Groups = lazy(() => import("./pages/groups/page"));
const Group = lazy(() => import("./pages/group/page"));
const Subscriptions = lazy(() => import("./pages/subscriptions/page"));
const Subscription = lazy(() => import("./pages/subscription/page"));
const Slots = lazy(() => import("./pages/slots/page"));
const Settings = lazy(() => import("./pages/settings/page"));
const Api = lazy(() => import("./pages/api/page"));
const LoginPage = lazy(() => import("./pages/login/page"));

/** A page that was changed to begins at its top, and its heading is what a screen reader reads next. */
function arrived() {
  const heading = document.querySelector<HTMLElement>("main h1");
  if (document.activeElement === document.body || document.activeElement?.closest("header")) heading?.focus({ preventScroll: true });
}

function Console() {
  if (needsLogin.value) return <Login />;
  return (
    <LocationProvider scope={BASE}>
      <Shell>
        <ErrorBoundary onError={(error) => console.error(error)}>
          <Router onLoadEnd={arrived}>
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
        </ErrorBoundary>
      </Shell>
    </LocationProvider>
  );
}

const root = document.getElementById("app");
if (root) void begin().finally(() => render(<Console />, root));
