//! The fleet's secret, from which session keys derive: given in the config, or drawn at the first start and kept in a file of
//! the state folder that only this user can read, so that players' URLs survive restarts.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rand::TryRngCore as _;

/// File name in the state folder.
const FILE: &str = "fleet-secret";

/// As many bits as the keys that derive from it have.
const BYTES: usize = 32;

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error(
        "cannot read or write the fleet's secret {path}: {reason}; give another state folder with --state-dir"
    )]
    File { path: PathBuf, reason: io::Error },
    #[error(
        "others can read the fleet's secret {path}: run `chmod 600` on it, or remove it to have a new one drawn"
    )]
    Readable { path: PathBuf },
    #[error("the fleet's secret {path} is shorter than 16 bytes: remove it to have a new one drawn")]
    Short { path: PathBuf },
    #[error("the system gives no random numbers: {0}")]
    Dice(rand::rand_core::OsError),
}

/// The secret kept in `folder`, drawn now if there is none.
///
/// # Errors
/// When it cannot be read or written, or others can read it.
pub(crate) fn kept_in(folder: &Path) -> Result<Vec<u8>, SecretError> {
    let path = folder.join(FILE);
    match read(&path)? {
        Some(secret) => Ok(secret),
        None => draw(&path),
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, SecretError> {
    let failed = |reason| SecretError::File { path: path.to_owned(), reason };
    let secret = match fs::read(path) {
        Ok(secret) => secret,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(SecretError::Readable { path: path.to_owned() });
    }
    if secret.len() < BYTES / 2 {
        return Err(SecretError::Short { path: path.to_owned() });
    }
    Ok(Some(secret))
}

/// Written aside and linked into place, so that a crash leaves no half of it and of two that start at once one wins.
fn draw(path: &Path) -> Result<Vec<u8>, SecretError> {
    let failed = |reason| SecretError::File { path: path.to_owned(), reason };
    let mut secret = vec![0; BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut secret).map_err(SecretError::Dice)?;
    let aside = path.with_extension(std::process::id().to_string());
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)
        .map_err(failed)?;
    file.write_all(&secret).and_then(|()| file.sync_all()).map_err(failed)?;
    let linked = fs::hard_link(&aside, path);
    fs::remove_file(&aside).map_err(failed)?;
    match linked {
        Ok(()) => Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| failed(error))
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_drawn_once_and_only_this_user_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = kept_in(folder.path()).unwrap();
        assert_eq!(first.len(), BYTES);
        assert_eq!(kept_in(folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        kept_in(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(kept_in(folder.path()).unwrap_err().to_string().contains("chmod 600"));
    }
}
