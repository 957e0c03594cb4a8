//! A file that may change while it is in use: read and judged at the start, and again whenever it is another.
//!
//! A version is done with once it has been read and judged, whether it is good or not. One that cannot be read, as may be while a new
//! file takes the old one's place, is tried again at every look; that it cannot be read is news once. One that changes while it is read
//! is not judged: half a file may well look like a whole one. What a good file is, and what becomes of it, is left to whoever watches.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use tokio::task::{JoinError, spawn_blocking};

use super::bounded::{Limit, Unread, read_bounded};

/// How one version of a file is told from another without reading it.
type Version = Option<(SystemTime, u64)>;

/// A file, and which version of it was judged last.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    path: PathBuf,
    limit: Limit,
    judged: Version,
    /// Why which version could not be read, as was told.
    told: Option<(Version, String)>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable<E: Error> {
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error(transparent)]
    Invalid(E),
    #[error("reading it was broken off: {0}")]
    BrokenOff(#[from] JoinError),
}

impl Watched {
    /// The file as it is now, and what `judge` makes of it.
    pub(super) fn open<T, E: Error>(
        path: &Path,
        limit: Limit,
        judge: impl FnOnce(Vec<u8>) -> Result<T, E>,
    ) -> Result<(Self, T), Unusable<E>> {
        // Before it is read, so that no change in between is missed.
        let judged = version(fs::metadata(path));
        let made = read(path, limit, judge)?;
        Ok((Self { path: path.to_owned(), limit, judged, told: None }, made))
    }

    /// What `judge` makes of the file, if it is another than the last that was judged and good; one that cannot be used is told of, and
    /// the last good one stays. `read` counts what came of it.
    pub(super) async fn take_over<T, E>(
        &mut self,
        what: &str,
        judge: impl FnOnce(Vec<u8>) -> Result<T, E> + Send + 'static,
        read: impl FnOnce(&'static str),
    ) -> Option<T>
    where
        T: Send + 'static,
        E: Error + Send + 'static,
    {
        match self.look(judge).await? {
            Ok(made) => {
                read("ok");
                Some(made)
            }
            Err(error) => {
                let file = self.path.display();
                tracing::error!(%file, %error, "the {what} has changed and cannot be used; the last good one stays");
                read(error.as_str());
                None
            }
        }
    }

    /// What `judge` makes of the file, if it is another than the last that was judged; nothing where there is no news. Reads and
    /// judges where it holds up nobody.
    async fn look<T, E>(
        &mut self,
        judge: impl FnOnce(Vec<u8>) -> Result<T, E> + Send + 'static,
    ) -> Option<Result<T, Unusable<E>>>
    where
        T: Send + 'static,
        E: Error + Send + 'static,
    {
        let now = version(tokio::fs::metadata(&self.path).await);
        if now == self.judged {
            self.told = None;
            return None;
        }
        let (path, limit) = (self.path.clone(), self.limit);
        let read = spawn_blocking(move || read(&path, limit, judge)).await;
        if version(tokio::fs::metadata(&self.path).await) != now {
            return None;
        }
        let result = read.unwrap_or_else(|error| Err(error.into()));
        if let Err(Unusable::Unread(Unread::Unreadable(error))) = &result {
            let trouble = Some((now, error.to_string()));
            let is_news = self.told != trouble;
            self.told = trouble;
            return is_news.then_some(result);
        }
        (self.judged, self.told) = (now, None);
        Some(result)
    }
}

impl<E: Error> Unusable<E> {
    /// The word in metrics.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Unread(Unread::Unreadable(_)) => "unreadable",
            Self::Unread(Unread::TooLarge(_)) | Self::Invalid(_) | Self::BrokenOff(_) => "invalid",
        }
    }
}

fn version(file: io::Result<fs::Metadata>) -> Version {
    let file = file.ok()?;
    Some((file.modified().ok()?, file.len()))
}

fn read<T, E: Error>(
    path: &Path,
    limit: Limit,
    judge: impl FnOnce(Vec<u8>) -> Result<T, E>,
) -> Result<T, Unusable<E>> {
    judge(read_bounded(path, limit)?).map_err(Unusable::Invalid)
}

#[cfg(test)]
mod tests {
    use std::string::FromUtf8Error;

    use super::*;

    type News = Option<Result<String, Unusable<FromUtf8Error>>>;

    /// A file that was read, and is gone.
    struct Scene {
        folder: tempfile::TempDir,
        file: Watched,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            fs::write(&path, "first").unwrap();
            let limit = Limit { key: "max_map_bytes", max_bytes: 10_000 };
            let (file, made) = Watched::open(&path, limit, String::from_utf8).unwrap();
            assert_eq!(made, "first");
            let scene = Self { folder, file };
            scene.take_away();
            scene
        }

        fn take_away(&self) {
            fs::rename(&self.file.path, self.folder.path().join("away")).unwrap();
        }

        fn put_back(&self) {
            fs::rename(self.folder.path().join("away"), &self.file.path).unwrap();
        }

        async fn look(&mut self) -> News {
            self.file.look(String::from_utf8).await
        }
    }

    fn is_unreadable(news: &News) -> bool {
        news.as_ref().is_some_and(|news| news.as_ref().is_err_and(|error| error.as_str() == "unreadable"))
    }

    #[tokio::test]
    async fn a_version_that_could_not_be_read_is_tried_again_and_told_of_once() {
        let mut scene = Scene::new();
        let path = scene.file.path.clone();
        // A folder is no file to read. One of its time and length is the same version to whoever looks.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x".repeat(200)), "").unwrap();
        let folder = fs::metadata(&path).unwrap();
        assert!(is_unreadable(&scene.look().await));
        assert!(scene.look().await.is_none(), "nothing new is told of it");
        fs::remove_dir_all(&path).unwrap();
        let text = "x".repeat(usize::try_from(folder.len()).unwrap());
        fs::write(&path, &text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(folder.modified().unwrap()).unwrap();
        assert_eq!(scene.look().await.unwrap().unwrap(), text);
        assert!(scene.look().await.is_none(), "it has been read");
    }

    #[tokio::test]
    async fn another_trouble_is_news_and_so_is_the_same_after_a_recovery() {
        let mut scene = Scene::new();
        assert!(is_unreadable(&scene.look().await), "it is gone");
        assert!(scene.look().await.is_none());
        fs::create_dir(&scene.file.path).unwrap();
        assert!(is_unreadable(&scene.look().await), "it is a folder");
        fs::remove_dir(&scene.file.path).unwrap();
        scene.put_back();
        assert!(scene.look().await.is_none(), "it is what it was");
        scene.take_away();
        assert!(is_unreadable(&scene.look().await), "it is gone again");
    }

    #[tokio::test]
    async fn a_file_that_changes_while_it_is_read_is_read_again() {
        let mut scene = Scene::new();
        let path = scene.file.path.clone();
        fs::write(&path, "half").unwrap();
        let while_read = |bytes: Vec<u8>| {
            fs::write(path, "half and half").unwrap();
            String::from_utf8(bytes)
        };
        assert!(scene.file.look(while_read).await.is_none());
        assert_eq!(scene.look().await.unwrap().unwrap(), "half and half");
    }

    #[tokio::test]
    async fn a_version_that_is_wrong_is_judged_once() {
        let mut scene = Scene::new();
        for wrong in [b"\xff".to_vec(), b"x".repeat(10_001)] {
            fs::write(&scene.file.path, wrong).unwrap();
            assert_eq!(scene.look().await.unwrap().unwrap_err().as_str(), "invalid");
            assert!(scene.look().await.is_none());
        }
    }
}
