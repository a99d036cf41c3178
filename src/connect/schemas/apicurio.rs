//! What Apicurio's registry is asked in its own language, version 2 or 3 by the end of its address.
//!
//! A schema is registered whole, as the artifact of its subject in the group `default`: the version that has it already, or a
//! new one. Asking and what errors mean stay with [`super::client`].

use serde_json::{Value as Json, json};

use super::client::Question;
use crate::config::postgres::Language;
use crate::encode::wire::Registration;

/// The question that registers a schema.
pub(super) fn registering(url: &str, subject: &str, schema: &Registration) -> Question {
    let kind = match schema.language {
        Language::Avro => "AVRO",
        Language::Json => "JSON",
        Language::Protobuf => "PROTOBUF",
        Language::Connect => "KCONNECT",
    };
    // An address of a host alone means the newest.
    let base = if url.contains("/apis/") { "" } else { "/apis/registry/v3" };
    let json = "application/json".to_owned();
    let mut headers = vec![("Accept", json.clone()), ("Content-Type", json)];
    if url.ends_with("/v2") {
        headers.push(("X-Registry-ArtifactId", subject.to_owned()));
        headers.push(("X-Registry-ArtifactType", kind.to_owned()));
        let path = "/groups/default/artifacts?ifExists=RETURN_OR_UPDATE".to_owned();
        return Question { path, headers, body: Some(schema.text.clone()) };
    }
    let content = json!({"content": schema.text, "contentType": "application/json"});
    let body = json!({"artifactId": subject, "artifactType": kind, "firstVersion": {"content": content}});
    let path = format!("{base}/groups/default/artifacts?ifExists=FIND_OR_CREATE_VERSION&canonical=false");
    Question { path, headers, body: Some(body.to_string()) }
}

/// The id in the answer: that of the version, or of its content.
pub(super) fn id(answer: &Json, global: bool) -> Option<u32> {
    // Version 3 tells of the artifact and of its version.
    let version = answer.get("version").filter(|version| version.is_object()).unwrap_or(answer);
    let id = version.get(if global { "globalId" } else { "contentId" })?.as_u64()?;
    u32::try_from(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the client of version 3.0.9 sends, and what its registry's description says it answers.
    #[test]
    fn version_3_is_asked_as_its_own_client_asks() {
        let schema = Registration::new(Language::Connect, "{\"type\":\"string\"}".into(), "t");
        let question = registering("http://h:8080/apis/registry/v3", "t-value", &schema);
        assert_eq!(question.path, "/groups/default/artifacts?ifExists=FIND_OR_CREATE_VERSION&canonical=false");
        let body: Json = serde_json::from_str(question.body.as_deref().unwrap_or_default()).expect("JSON");
        let content = json!({"content": "{\"type\":\"string\"}", "contentType": "application/json"});
        assert_eq!(body, json!({"artifactId": "t-value", "artifactType": "KCONNECT", "firstVersion": {"content": content}}));
        let bare = registering("http://h:8080", "t-value", &schema);
        assert!(bare.path.starts_with("/apis/registry/v3/groups/default/"), "{bare:?}");
        let answer = json!({"artifact": {"artifactId": "t-value"}, "version": {"version": "1", "globalId": 9, "contentId": 7}});
        assert_eq!((id(&answer, false), id(&answer, true)), (Some(7), Some(9)));
        let older = json!({"id": "t-value", "version": "1", "globalId": 9, "contentId": 7});
        assert_eq!((id(&older, false), id(&older, true), id(&json!({}), true)), (Some(7), Some(9), None));
    }
}
