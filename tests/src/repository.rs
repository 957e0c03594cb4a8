//! Where the repository and the built programs lie.

use std::path::{Path, PathBuf};

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the tests lie in the repository")
}

/// A built program: beside the running test, where cargo puts it.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.ancestors().nth(2).expect("tests lie in target/{profile}/deps");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built; run `cargo build --workspace --bins` first, as tests/run does",
        path.display()
    );
    path
}
