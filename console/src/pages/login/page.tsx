// The login as a page of its own (/ui/login?next=/ui/topics): for links, and for logging in as somebody else.

import { place } from "../../app/place";
import { LoginForm } from "../../app/login";
import { Page } from "../../app/page";
import { loggedIn, session } from "../../app/session";
import { nextPage } from "../../app/next";

export default function Login() {
  const { query } = place.value;
  const next = nextPage(query["next"]);
  const who = session.value;
  if (!loggedIn.value && who?.auth !== "token") {
    return (
      <Page title="Log in">
        <p>
          {who?.auth === "loopback" ? "Whoever is on the machine of the service needs no login." : "This service asks for no login."} <a href={next}>Go on</a>
        </p>
      </Page>
    );
  }
  return (
    <Page title="Log in">
      {loggedIn.value && (
        <p>
          You are logged in as <b>{who?.name}</b> ({who?.scopes.join(", ")}). <a href={next}>Go on</a>, or log in with another token:
        </p>
      )}
      <div class="login-page">
        <LoginForm />
      </div>
    </Page>
  );
}
