//! Lets the linker keep one copy of functions that are the same, machine code for machine code:
//! what generic code makes for several types often is. Only for release builds, and only where the
//! linker is the one that comes with Rust (lld, by default on this target since Rust 1.90), since
//! others do not know the option. Without it the program is larger, and that is all.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |key: &str, value: &str| env::var(key).is_ok_and(|found| found == value);
    // A linker, or a way to link, that somebody has chosen is left alone.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let chosen = env::var_os("RUSTC_LINKER").is_some()
        || ["linker", "link-arg", "link-self-contained"].iter().any(|word| flags.contains(word));
    if is("TARGET", "x86_64-unknown-linux-gnu")
        && is("HOST", "x86_64-unknown-linux-gnu")
        && is("PROFILE", "release")
        && !chosen
    {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}
