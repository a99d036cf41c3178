//! Notifications and signals beside Debezium.

use serde_json::json;

use crate::scenes::hold;
use crate::support::service::with;

#[test]
fn notifications_of_an_initial_snapshot() {
    let options = json!({"notification.enabled.channels": "sink,log,jmx", "notification.sink.topic.name": "srv.notices"});
    hold("notifications", "notifications.sql", &options);
    let schemas = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    hold("schemas_notifications", "notifications.sql", &with(options, &schemas));
}

#[test]
fn a_snapshot_that_is_not_taken_is_told() {
    let options =
        json!({"notification.enabled.channels": "sink", "notification.sink.topic.name": "srv.notices", "snapshot.mode": "no_data"});
    hold("notifications_skipped", "notifications.sql", &options);
}
