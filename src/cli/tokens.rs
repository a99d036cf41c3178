//! `rowfeed tokens create|list|revoke`.

use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::client::{Server, escape, refusal};
use super::form::FormArgs;
use super::{Failure, ServerArgs, view};

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokensCommand {
    /// Make a token; it is shown this once.
    Create {
        #[command(flatten)]
        server: ServerArgs,
        /// Its name, for the list.
        name: String,
        /// What it may do; may be repeated: admin, read:metrics, read:topics, read:topics:shop.*, read:connectors,
        /// write:connectors, write:schemas.
        #[arg(long, required = true)]
        scope: Vec<String>,
        #[command(flatten)]
        form: FormArgs,
    },
    /// All tokens, without what they are.
    List {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// Refuse a token from now on.
    Revoke {
        #[command(flatten)]
        server: ServerArgs,
        /// Its name.
        name: String,
    },
}

/// `rowfeed tokens`.
pub(super) async fn tokens(command: TokensCommand) -> Result<(), Failure> {
    match command {
        TokensCommand::Create { server, name, scope, form } => create(&server.parse()?, &name, &scope, form).await,
        TokensCommand::List { server, form } => list(&server.parse()?, form).await,
        TokensCommand::Revoke { server, name } => {
            ask(&server.parse()?, "DELETE", &format!("/v1/tokens/{}", escape(&name)), None).await?;
            eprintln!("{name} is refused from now on");
            Ok(())
        }
    }
}

async fn ask(server: &Server, method: &str, path: &str, body: Option<&str>) -> Result<String, Failure> {
    let mut answer = server.request(method, path, body).await?;
    let text = answer.text().await?;
    if (200..300).contains(&answer.status) { Ok(text) } else { Err(refusal(answer.status, &text).into()) }
}

async fn create(server: &Server, name: &str, scopes: &[String], form: FormArgs) -> Result<(), Failure> {
    let body = json!({ "name": name, "scopes": scopes }).to_string();
    let text = ask(server, "POST", "/v1/tokens", Some(&body)).await?;
    let made: Json = serde_json::from_str(&text).unwrap_or_default();
    if form.is_document() {
        form.print("rowfeed/token@1", made);
        return Ok(());
    }
    println!("{}", made.get("token").and_then(Json::as_str).unwrap_or_default());
    eprintln!("keep it: it is not shown again");
    Ok(())
}

async fn list(server: &Server, form: FormArgs) -> Result<(), Failure> {
    let answer = server.get_json("/v1/tokens").await?;
    let items = answer.get("items").and_then(Json::as_array).cloned().unwrap_or_default();
    if form.is_document() {
        form.print("rowfeed/tokens@1", json!({ "items": items }));
        return Ok(());
    }
    let mut rows = vec![["TOKEN", "SCOPES"].map(str::to_owned).to_vec()];
    for token in &items {
        let scopes = token.get("scopes").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let name = token.get("name").and_then(Json::as_str).unwrap_or_default();
        rows.push(vec![name.to_owned(), scopes.collect::<Vec<_>>().join(", ")]);
    }
    print!("{}", view::table(&rows, &[]));
    Ok(())
}
