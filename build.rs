//! Says when the program is to be built again for the console's sake. It never builds the console: that needs Node, and this must not.

use std::path::Path;

fn main() {
    // A folder that is not there would make every build begin anew; the one around it changes when it comes.
    let dist = Path::new("console/dist");
    println!("cargo::rerun-if-changed={}", if dist.is_dir() { "console/dist" } else { "console" });
}
