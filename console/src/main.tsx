// Mounts the console: styles, session, routes. Each page is a folder of its own, and all of them are one file: it is smaller than two, no
// page has to be waited for, and none is missing after an update.

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/pieces.css";
import { render } from "preact";
// What follows is in this order in the file: like beside like compresses better, by a hundredth (scripts/order.mjs finds it).
import { needsLogin } from "./api/client";
import { BASE } from "./app/paths";
import { begin } from "./app/session";
import { Shell } from "./app/shell";
import { Boundary } from "./app/broken";
import { Login } from "./app/login";
import Record from "./pages/record/page";
import { Pages, type Route } from "./app/pages";
import { place } from "./app/place";
import Api from "./pages/api/page";
import Topic from "./pages/topic/page";
import Settings from "./pages/settings/page";
import LoginPage from "./pages/login/page";
import Groups from "./pages/groups/page";
import Group from "./pages/group/page";
import Subscriptions from "./pages/subscriptions/page";
import Subscription from "./pages/subscription/page";
import Wizard from "./pages/wizard/page";
import Connector from "./pages/connector/page";
import Slots from "./pages/slots/page";
import Overview from "./pages/overview/page";
import Topics from "./pages/topics/page";
import Connectors from "./pages/connectors/page";

const ROUTES: readonly Route[] = [
  [BASE, Overview],
  [`${BASE}/connectors`, Connectors],
  [`${BASE}/connectors/new`, Wizard],
  [`${BASE}/connectors/:name`, Connector],
  [`${BASE}/topics`, Topics],
  [`${BASE}/topics/:topic`, Topic],
  [`${BASE}/topics/:topic/:partition/:offset`, Record],
  [`${BASE}/groups`, Groups],
  [`${BASE}/groups/:group`, Group],
  [`${BASE}/subscriptions`, Subscriptions],
  [`${BASE}/subscriptions/:name`, Subscription],
  [`${BASE}/slots`, Slots],
  [`${BASE}/settings`, Settings],
  [`${BASE}/api`, Api],
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
