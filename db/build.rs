//! Rebuilds the crate when a migration is added: the embedding macro only follows the files that it saw.

#[allow(clippy::print_stdout, reason = "a build script speaks to cargo on its standard output")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../migrations");
}
