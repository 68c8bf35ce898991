//! Makes cargo notice a new file in the folder.

fn main() {
    println!("cargo::rerun-if-changed=changes");
}
