//! The program `renkei-bridge`.

fn main() {}
