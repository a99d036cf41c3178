//! Notifications and signals beside Debezium.

use serde_json::json;

use crate::debezium::Debezium;
use crate::scenes::{hold, hold_while, section};
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::wait_for;

#[test]
fn notifications_of_an_initial_snapshot() {
    let options = json!({"notification.enabled.channels": "sink,log,jmx", "notification.sink.topic.name": "srv.notices"});
    hold("notifications", "notifications.sql", &options);
    let schemas = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    hold("schemas_notifications", "notifications.sql", &with(options, &schemas));
}

#[test]
fn notifications_tell_of_chunks() {
    let options = json!({"notification.enabled.channels": "sink", "notification.sink.topic.name": "srv.notices",
        "snapshot.max.threads.multiplier": "3"});
    hold("notifications_chunks", "notifications.sql", &options);
}

#[test]
fn a_snapshot_that_is_not_taken_is_told() {
    let options =
        json!({"notification.enabled.channels": "sink", "notification.sink.topic.name": "srv.notices", "snapshot.mode": "no_data"});
    hold("notifications_skipped", "notifications.sql", &options);
}

/// Waits until both have told so many notifications of a type.
fn wait_until_told(scene: &Scene, debezium: Option<&mut Debezium>, kind: &str, times: usize) {
    let text = format!("\"type\":\"{kind}\"");
    let count = |value: &str| usize::from(value.contains(&text));
    let mut seen = 0;
    wait_for("our notification", || {
        let (_, next) = scene.reader.watermarks("srv.notices", 0)?;
        let more = next > seen;
        seen = next;
        let told = || scene.reader.read("srv.notices").iter().map(|record| count(&record.text())).sum::<usize>();
        (more && told() >= times).then_some(())
    });
    if let Some(debezium) = debezium {
        wait_for("Debezium's notification", || {
            let events = debezium.events();
            let notices = events.iter().filter(|event| event.topic == "srv.notices");
            (notices.filter_map(|event| event.value.as_deref()).map(count).sum::<usize>() >= times).then_some(())
        });
    }
}

/// The signalling table is captured although no list names it, and its rows are not read by snapshots.
#[test]
fn blocking_snapshots_by_rows_of_the_signalling_table() {
    let options = json!({"notification.enabled.channels": "sink", "notification.sink.topic.name": "srv.notices",
        "signal.data.collection": "public.signals", "table.include.list": "public[.](b|Order Items),public[.](a|empty|fence)"});
    hold_while("signals_blocking", "signals.sql", &options, |scene, sql, mut debezium| {
        let (mut completed, mut aborted) = (1, 0);
        for statement in section(sql, "rows").into_iter().chain(section(sql, "blocking")) {
            scene.sql.run(statement);
            if statement.contains("nonsense") {
                aborted += 1;
                wait_until_told(scene, debezium.as_deref_mut(), "ABORTED", aborted);
            } else if statement.contains("execute-snapshot") {
                completed += 1;
                wait_until_told(scene, debezium.as_deref_mut(), "COMPLETED", completed);
            }
        }
    });
}

/// In a blocking snapshot, too; a table with a condition is one chunk.
#[test]
fn notifications_of_a_blocking_snapshot_tell_of_chunks() {
    let options = json!({"notification.enabled.channels": "sink", "notification.sink.topic.name": "srv.notices",
        "snapshot.max.threads.multiplier": "2", "signal.data.collection": "public.signals",
        "table.include.list": "public[.](b|Order Items),public[.](a|empty|fence)"});
    hold_while("signals_blocking_chunks", "signals.sql", &options, |scene, sql, debezium| {
        for statement in section(sql, "rows").into_iter().chain(section(sql, "chunks")) {
            scene.sql.run(statement);
        }
        wait_until_told(scene, debezium, "COMPLETED", 2);
    });
}

/// `source.xmin` is in what is streamed, and in blocking snapshots as the stream had it.
#[test]
fn xmin_is_in_streamed_events() {
    let options = json!({"notification.enabled.channels": "sink", "notification.sink.topic.name": "srv.notices",
        "xmin.fetch.interval.ms": "3600000", "signal.data.collection": "public.signals",
        "table.include.list": "public[.](a|b|empty|Order Items|fence)"});
    hold_while("xmin", "signals.sql", &options, |scene, sql, mut debezium| {
        let mut completed = 1;
        for statement in section(sql, "rows").into_iter().chain(section(sql, "xmin")) {
            scene.sql.run(statement);
            if statement.contains("execute-snapshot") {
                completed += 1;
                wait_until_told(scene, debezium.as_deref_mut(), "COMPLETED", completed);
            }
        }
    });
}

/// Debezium marks its chunks in the signalling table, where ours hears of them, too: those rows are not compared.
#[test]
fn incremental_snapshots_by_rows_of_the_signalling_table() {
    let options = json!({"notification.enabled.channels": "sink", "notification.sink.topic.name": "srv.notices",
        "incremental.snapshot.chunk.size": "2",
        "signal.data.collection": "public.signals", "table.include.list": "public[.](a|b|empty|Order Items|fence)"});
    hold_while("signals_incremental", "signals.sql", &options, |scene, sql, mut debezium| {
        let mut completed = 1;
        for statement in section(sql, "rows").into_iter().chain(section(sql, "incremental")) {
            scene.sql.run(statement);
            if statement.contains("execute-snapshot") {
                completed += 1;
                wait_until_told(scene, debezium.as_deref_mut(), "COMPLETED", completed);
            }
        }
    });
}
