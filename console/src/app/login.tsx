// The login form, in place of any page that needs one (after it the same page is shown), and for a page of its own. Promises that the token
// goes nowhere but to the service.

import { useAct } from "../api/act";
import { useTitle } from "./page";
import { linkRefused, logIn } from "./session";

export function Login() {
  useTitle("Log in");
  return (
    <main id="main" class="login">
      <h1>Log in to Rowfeed</h1>
      <LoginForm />
    </main>
  );
}

/** The form alone; a login leads on by itself. */
export function LoginForm() {
  const { busy, problem, run } = useAct();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const field = form.elements.namedItem("token") as HTMLInputElement;
    run(async () => {
      try {
        await logIn(field.value.trim());
      } catch (error) {
        field.value = "";
        field.focus();
        throw error;
      }
    });
  };
  return (
    <>
      {linkRefused.value && <p class="say-warn">This login link was used before, or is too old. A token works, too.</p>}
      <form onSubmit={submit}>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus aria-describedby="token-why" />
        <button type="submit" class="primary" disabled={busy}>
          {busy ? "Asking …" : "Log in"}
        </button>
      </form>
      <div role="alert">{problem && <p class="say-error">{problem.status === 401 ? "The token is not known, or was revoked." : problem.detail}</p>}</div>
      <p id="token-why" class="muted">
        No token yet? The first start of the service prints a link that logs in. Later, on its machine: <code>rowfeed tokens create me --scope admin</code>
      </p>
    </>
  );
}
