//! The console's pages, and the cookie by which a browser logs in.

use super::*;
use rowfeed::config::Secret;
use rowfeed::http::session::FirstLink;

const OWN_PAGE: &str = "Origin: http://any.example\r\n";

/// A service that asks for tokens: with one that may do everything, and the first start's link.
struct Guarded {
    world: World,
    tokens: Arc<Tokens>,
    admin: String,
    link: String,
    _dir: tempfile::TempDir,
}

async fn guarded() -> Guarded {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let tokens = Arc::new(Tokens::open(Store::File(dir.path().join("tokens.json"))).expect("opened"));
    let scopes = vec![Scope::parse("admin").expect("a scope")];
    let admin = tokens.create("admin", scopes, 0).await.expect("made").1.expose().to_owned();
    let (first, link) = FirstLink::new(Secret::new(admin.clone())).expect("randomness");
    let settings = http::Settings {
        open: http::auth::Open::Nobody,
        tokens: Some(Arc::clone(&tokens)),
        first_link: Some(first),
        ..http::Settings::default()
    };
    Guarded { world: world_with(&[], settings).await, tokens, admin, link, _dir: dir }
}

impl Guarded {
    async fn log_in(&self, secret: &str) -> String {
        asked(&self.world, "POST", "/v1/session", OWN_PAGE, &json!({ "token": secret }).to_string()).await
    }

    async fn status(&self, method: &str, path: &str, headers: &str) -> u16 {
        status_of(&asked(&self.world, method, path, headers, "").await)
    }
}

fn value_of<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn json_of(answer: &str) -> Json {
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON")
}

/// What a browser sends along later: the cookie without its attributes.
fn cookie_of(answer: &str) -> String {
    let set = value_of(answer, "set-cookie").unwrap_or_else(|| panic!("{answer}"));
    format!("Cookie: theme=dark; {}\r\n", set.split(';').next().expect("a pair"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_by_a_token_and_its_cookie_is_for_pages_of_this_origin_alone() {
    let guarded = guarded().await;
    assert_eq!(guarded.status("GET", "/v1/session", "").await, 401);
    for wrong in ["rf_wrong", "once_wrong"] {
        let answer = guarded.log_in(wrong).await;
        assert_eq!((status_of(&answer), value_of(&answer, "set-cookie")), (401, None), "{answer}");
    }
    for malformed in ["{}", "{\"token\": 1}", "{\"token\": \" \"}"] {
        assert_eq!(status_of(&asked(&guarded.world, "POST", "/v1/session", OWN_PAGE, malformed).await), 400, "{malformed}");
    }
    let answer = guarded.log_in(&guarded.admin).await;
    let expected = json!({ "authenticated": true, "auth": "token", "name": "admin", "scopes": ["admin"] });
    assert_eq!((status_of(&answer), json_of(&answer)), (200, expected.clone()), "{answer}");
    let set = value_of(&answer, "set-cookie").expect("a cookie");
    // Without TLS a browser takes neither Secure nor a name that asks for it.
    let attributes: Vec<&str> = set.split("; ").skip(1).collect();
    assert_eq!(attributes, ["Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Strict"]);
    // Behind a proxy that speaks TLS the page's origin says so.
    let secure =
        asked(&guarded.world, "POST", "/v1/session", "Origin: https://any.example\r\n", &json!({ "token": guarded.admin }).to_string())
            .await;
    let set = value_of(&secure, "set-cookie").expect("a cookie");
    assert!(set.starts_with("__Host-rowfeed=rf_") && set.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{set}");
    assert_eq!(guarded.status("GET", "/connectors", &cookie_of(&secure)).await, 200);

    let cookie = cookie_of(&answer);
    assert_eq!(json_of(&asked(&guarded.world, "GET", "/v1/session", &cookie, "").await), expected);
    let listed = asked(&guarded.world, "GET", "/connectors", &cookie, "").await;
    // A cache between knows by Authorization alone whose an answer is.
    assert_eq!((status_of(&listed), value_of(&listed, "cache-control")), (200, Some("private, no-store")), "{listed}");
    let body = config("h").to_string();
    let put = async |headers: &str| asked(&guarded.world, "PUT", "/connectors/a/config", headers, &body).await;
    for foreign in ["", "Origin: http://any.example:3000\r\n", "Origin: https://evil.example\r\n", "Origin: null\r\n"] {
        assert_eq!(status_of(&put(&format!("{cookie}{foreign}")).await), 403, "{foreign}");
    }
    let refused = asked(&guarded.world, "POST", "/v1/tickets", &cookie, "{\"topics\":[\"t\"]}").await;
    assert_eq!((status_of(&refused), &json_of(&refused)["code"]), (403, &"http/foreign-page".into()));
    assert_eq!(status_of(&put(&format!("{cookie}{OWN_PAGE}")).await), 201);
    // A program shows its token, and says no origin.
    let bearer = format!("Authorization: Bearer {}\r\n", guarded.admin);
    assert_eq!(status_of(&put(&bearer).await), 200);
    // A header counts before a cookie: what it may not, the cookie does not make good.
    assert_eq!(guarded.status("GET", "/connectors", &format!("{cookie}Authorization: Bearer rf_wrong\r\n")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_another_origin_is_not_opened_by_a_cookie() {
    let guarded = guarded().await;
    let cookie = cookie_of(&guarded.log_in(&guarded.admin).await);
    let open = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: rowfeed.v1\r\n";
    let ask = async |headers: String| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(&guarded.world.address).await.expect("connected");
        let request = format!("GET /v1/ws HTTP/1.1\r\nHost: any.example\r\nConnection: Upgrade\r\n{open}{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        status_of(&String::from_utf8_lossy(&answer))
    };
    assert_eq!(ask(format!("{cookie}{OWN_PAGE}")).await, 101);
    for foreign in ["", "Origin: http://any.example:3000\r\n", "Origin: https://evil.example\r\n"] {
        assert_eq!(ask(format!("{cookie}{foreign}")).await, 403, "{foreign}");
    }
    assert_eq!(ask(format!("Authorization: Bearer {}\r\n", guarded.admin)).await, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_the_first_start_works_once() {
    let guarded = guarded().await;
    let answer = guarded.log_in(&guarded.link).await;
    assert_eq!((status_of(&answer), &json_of(&answer)["name"]), (200, &"admin".into()), "{answer}");
    assert!(!answer.contains(&guarded.link), "the cookie is the token's");
    assert_eq!(guarded.status("GET", "/connectors", &cookie_of(&answer)).await, 200);
    let again = guarded.log_in(&guarded.link).await;
    assert_eq!(status_of(&again), 401);
    assert!(json_of(&again)["detail"].as_str().is_some_and(|detail| detail.contains("admin.token")), "{again}");
    // It is no token.
    assert_eq!(guarded.status("GET", "/connectors", &format!("Authorization: Bearer {}\r\n", guarded.link)).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_itself_or_with_its_token() {
    let guarded = guarded().await;
    let cookie = cookie_of(&guarded.log_in(&guarded.admin).await);
    assert_eq!(guarded.status("DELETE", "/v1/session", &cookie).await, 403, "no page asked for it");
    let gone = asked(&guarded.world, "DELETE", "/v1/session", &format!("{cookie}{OWN_PAGE}"), "").await;
    assert_eq!(status_of(&gone), 204);
    assert_eq!(value_of(&gone, "set-cookie"), Some("rowfeed=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"));

    guarded.tokens.revoke("admin").await.expect("revoked");
    for path in ["/v1/session", "/connectors"] {
        assert_eq!(guarded.status("GET", path, &cookie).await, 401, "{path}");
    }
    // With what is left of the old cookie a page still comes to its login.
    assert_eq!(status_of(&asked(&guarded.world, "POST", "/v1/session", &format!("{cookie}{OWN_PAGE}"), "{\"token\":\"x\"}").await), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_asks_nobody_for_a_password_over_the_page() {
    let guarded = guarded().await;
    let challenge =
        async |headers: &str| value_of(&asked(&guarded.world, "GET", "/connectors", headers, "").await, "www-authenticate").is_some();
    assert!(challenge("").await && challenge("Sec-Fetch-Dest: document\r\n").await);
    assert!(!challenge("Sec-Fetch-Dest: empty\r\n").await && !challenge("X-Requested-With: rowfeed\r\n").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_everybody_is_let_in_a_session_needs_nothing() {
    let world = world(&[]).await;
    let expected = json!({ "authenticated": true, "auth": "none", "name": null, "scopes": ["admin"] });
    assert_eq!(world.ask("GET", "/v1/session", None).await, (200, expected.clone()));
    assert_eq!(world.ask("POST", "/v1/session", Some(json!({ "token": "any" }))).await, (200, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_below_ui_is_the_console() {
    let guarded = guarded().await;
    let page = asked(&guarded.world, "GET", "/ui/", "", "").await;
    for path in ["/ui/", "/ui", "/ui/topics/a.b.c", "/ui/topics/a.b.c/0/12", "/ui/connectors/new?step=2"] {
        let answer = asked(&guarded.world, "GET", path, "", "").await;
        assert_eq!((status_of(&answer), value_of(&answer, "cache-control")), (200, Some("no-cache")), "{path}");
        assert!(value_of(&answer, "content-type").is_some_and(|kind| kind.starts_with("text/html")), "{answer}");
        let policy = value_of(&answer, "content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{policy}");
        assert_eq!(value_of(&answer, "x-content-type-options"), Some("nosniff"));
        assert_eq!(value_of(&answer, "referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.split("\r\n\r\n").nth(1), page.split("\r\n\r\n").nth(1), "{path}");
        let head = asked(&guarded.world, "HEAD", path, "", "").await;
        assert_eq!((status_of(&head), head.split("\r\n\r\n").nth(1)), (200, Some("")), "{path}");
    }
    let missing = asked(&guarded.world, "GET", "/ui/assets/none.js", "", "").await;
    assert_eq!(status_of(&missing), 404);
    assert!(value_of(&missing, "content-security-policy").is_some(), "{missing}");
    assert_eq!(guarded.status("POST", "/ui/", OWN_PAGE).await, 405);
    if let Some(tag) = value_of(&page, "etag") {
        let again = asked(&guarded.world, "GET", "/ui/", &format!("If-None-Match: {tag}\r\n"), "").await;
        assert_eq!(status_of(&again), 304);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_the_console_to_browsers_and_the_worker_to_others() {
    let guarded = guarded().await;
    let browser = asked(&guarded.world, "GET", "/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", "").await;
    assert_eq!((status_of(&browser), value_of(&browser, "location")), (303, Some("/ui/")));
    for other in ["", "Accept: */*\r\n", "Accept: application/json\r\n"] {
        assert_eq!(guarded.status("GET", "/", other).await, 401, "{other}");
        let bearer = format!("{other}Authorization: Bearer {}\r\n", guarded.admin);
        assert!(json_of(&asked(&guarded.world, "GET", "/", &bearer, "").await)["kafka_cluster_id"].is_string());
    }
}
