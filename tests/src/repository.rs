//! Where the repository and the built programs lie.

use std::path::{Path, PathBuf};

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the tests lie in the repository")
}

/// A built program: where cargo puts it, beside the running program or one folder above the running test.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let running = std::env::current_exe().expect("a running program has a path");
    let beside = running.parent().expect("a program lies in a folder");
    let folder = if beside.ends_with("deps") { beside.join("..") } else { beside.to_owned() };
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built; run `cargo build --workspace --bins` first, as tests/run does",
        path.display()
    );
    path.canonicalize().expect("a file that is there has a path")
}
