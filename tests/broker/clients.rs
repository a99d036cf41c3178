//! Real clients: each reads everything, then works in a group, commits, and goes on where the group was after a restart.

use std::process::Command;

use crate::served::Served;

fn kcat(served: &Served, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    // Cargo puts the library that the rdkafka crate builds on this path; kcat shall use the system's.
    command.args(["60", "kcat", "-b", &served.address.to_string()]).args(arguments).env_remove("LD_LIBRARY_PATH");
    let output = command.output().unwrap();
    assert!(output.status.success(), "kcat {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn kcat_lists_topics() {
    let served = Served::start();
    served.write("shop.public.orders", 2, 0, 10);
    let listed = kcat(&served, &["-L"]);
    assert!(listed.contains("topic \"shop.public.orders\" with 2 partitions"), "{listed}");
}
