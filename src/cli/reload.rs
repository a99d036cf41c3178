//! `rowfeed config reload`: the connector files of a running service.

use serde_json::Value as Json;

use super::Failure;
use super::client::{Server, refusal};
use super::form::FormArgs;

/// `rowfeed config reload`: exit code 2 when a file has mistakes.
pub async fn reload(server: &Server, form: FormArgs) -> Result<(), Failure> {
    let mut response = server.request("POST", "/v1/config/reload", None).await?;
    let text = response.text().await?;
    let answer: Json = serde_json::from_str(&text).unwrap_or_default();
    let Some(successful) = answer.get("successful").and_then(Json::as_bool) else {
        return Err(refusal(response.status, &text).into());
    };
    if form.is_document() {
        form.print("rowfeed/config-reload@1", answer);
    } else {
        show(&answer);
    }
    if successful { Ok(()) } else { Err(Failure::shown(2)) }
}

fn show(answer: &Json) {
    let list = |name: &str| answer.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let mut quiet = true;
    for word in ["started", "changed", "stopped"] {
        for name in list(word).iter().filter_map(Json::as_str) {
            println!("{word:<8} {name}");
            quiet = false;
        }
    }
    for problem in list("problems") {
        let text = |name: &str| problem.get(name).and_then(Json::as_str).unwrap_or("");
        eprintln!("error[{}]: {}", text("code"), text("message"));
        for (label, name) in [("→", "at"), ("why: ", "why"), ("fix: ", "fix")] {
            if !text(name).is_empty() {
                eprintln!("  {label} {}", text(name).replace('\n', "\n        "));
            }
        }
        quiet = false;
    }
    if quiet {
        println!("nothing has changed");
    }
}
