//! Confluent's Python client: its serializers register with this registry, its deserializers read back, in three languages.

use std::path::Path;
use std::process::Command;

use crate::served::Served;
use crate::{confluent, installed};

#[tokio::test(flavor = "multi_thread")]
async fn confluents_python_client_registers_and_reads_back() {
    let registry = Served::start().await;
    let url = format!("http://{}", registry.address);
    let ran = tokio::task::spawn_blocking(move || {
        installed::with("confluent-kafka", confluent::python, |python| {
            let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/registry/programs/round_trip.py");
            let output = Command::new("timeout").arg("60").arg(python).arg(program).arg(url).env_remove("LD_LIBRARY_PATH").output();
            let output = output.expect("it runs");
            assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(String::from_utf8_lossy(&output.stdout), "avro json protobuf rest\n");
        });
    });
    ran.await.expect("the test's thread");
}
