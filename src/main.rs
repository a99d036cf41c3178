//! The `rowfeed` program.
fn main() {}
