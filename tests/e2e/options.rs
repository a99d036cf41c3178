//! Options that change what is published, or when, as a user sees them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http;
use crate::support::random::Random;
use crate::support::scene::Scene;

/// One transaction over two tables, cut several times by a killed service: its events count from 1 to the end all the same,
/// and its begin and end are told once. Each kill that met it in its middle is counted, so that the test cannot pass idly.
#[test]
fn a_transaction_goes_on_counting_after_a_restart_in_its_middle() {
    let more = json!({"provide.transaction.metadata": "true"});
    let setup = "create table t(id int primary key, pad text); create table u(id int primary key, pad text)";
    let Some(mut scene) = Scene::start("txcount", setup, &more) else { return };
    let mut random = Random::new(Random::seed(7));
    let rows = 30_000;
    scene.sql.run(&format!(
        "begin; insert into t select n, repeat('x', 50) from generate_series(1, {rows}) n; \
         insert into u select n, repeat('x', 50) from generate_series(1, {rows}) n; update t set id = -1 where id = 1; commit"
    ));
    let mut cuts = 0;
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(random.among(5..200)));
        scene.rowfeed.kill();
        scene.rowfeed.run();
        scene.rowfeed.wait_until_ready();
        let stored = http::get(&scene.rowfeed.http(), "/connectors/scene/offsets").expect("an answer").json();
        cuts += u32::from(stored["offsets"][0]["offset"]["transaction_id"].is_string());
        if cuts == 3 {
            break;
        }
    }
    assert!(cuts > 0, "no kill met the transaction in its middle");
    let order = |events: &[Value], of: &str| events.iter().filter_map(|event| event["transaction"][of].as_u64()).collect::<Vec<_>>();
    let (t, u) = (scene.events("t"), scene.events("u"));
    // The changed key is a delete, a tombstone and a create: two events that count.
    assert_eq!(order(&t, "data_collection_order"), (1..=rows + 2).collect::<Vec<_>>());
    assert_eq!(order(&u, "data_collection_order"), (1..=rows).collect::<Vec<_>>());
    let mut all = [order(&t, "total_order"), order(&u, "total_order")].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=2 * rows + 2).collect::<Vec<_>>());
    let told: Vec<Value> = scene.reader.read("srv.transaction").iter().map(|record| record.json()).collect();
    let of_it = |event: &&Value| event["status"] == "BEGIN" || event["data_collections"][0]["data_collection"] != "public.fence";
    let told: Vec<&Value> = told.iter().filter(of_it).collect();
    assert_eq!((told[0]["status"].as_str(), told[1]["status"].as_str()), (Some("BEGIN"), Some("END")));
    assert_eq!(told[1]["event_count"], json!(2 * rows + 2));
    assert_eq!(told.iter().filter(|event| event["status"] == "END").count(), 1);
}
