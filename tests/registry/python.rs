//! Confluent's Python client: its serializers register with this registry, its deserializers read back, in three languages.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::installed;
use crate::served::Served;

#[tokio::test(flavor = "multi_thread")]
async fn confluents_python_client_registers_and_reads_back() {
    let registry = Served::start().await;
    let url = format!("http://{}", registry.address);
    let ran = tokio::task::spawn_blocking(move || {
        installed::with("confluent-kafka", confluent_python, |python| {
            let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/registry/programs/round_trip.py");
            let output = Command::new("timeout").arg("60").arg(python).arg(program).arg(url).env_remove("LD_LIBRARY_PATH").output();
            let output = output.expect("it runs");
            assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(String::from_utf8_lossy(&output.stdout), "avro json protobuf rest\n");
        });
    });
    ran.await.expect("the test's thread");
}

/// A Python with Confluent's client and what it needs for schemas.
fn confluent_python() -> Result<PathBuf, String> {
    let folder = installed::cache("confluent");
    let python = folder.join("bin/python3");
    let wanted = "import confluent_kafka.schema_registry.avro, confluent_kafka.schema_registry.json_schema, confluent_kafka.schema_registry.protobuf";
    if installed::run(Command::new(&python).args(["-c", wanted])).is_err() {
        installed::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        installed::run(Command::new(folder.join("bin/pip")).args(["install", "-q", "confluent-kafka[avro,json,protobuf]==2.12.0"]))?;
    }
    Ok(python)
}
