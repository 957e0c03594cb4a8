//! Where played media is written: whole initialization sections and segments, in order, so that the file can be played.
//!
//! Writing blocks: one viewer writes, and a reader that does not keep up should hold it back.

use std::{
    fs::File,
    io::{self, BufWriter, ErrorKind, Write},
};

use crate::{args::Target, exit::Failure};

/// An open file or standard output.
pub(super) struct Sink {
    name: String,
    writer: Box<dyn Write + Send>,
    reader_gone: bool,
}

impl Sink {
    pub(super) fn open(target: &Target) -> Result<Self, Failure> {
        let (name, writer): (String, Box<dyn Write + Send>) = match target {
            Target::Stdout => ("standard output".to_owned(), Box::new(io::stdout())),
            Target::File(path) => {
                let name = path.display().to_string();
                let file = File::create(path)
                    .map_err(|error| Failure::Usage(format!("cannot write {name}: {error}")))?;
                (name, Box::new(BufWriter::new(file)))
            }
        };
        Ok(Self { name, writer, reader_gone: false })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes).map_err(|error| self.failure(&error))
    }

    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| self.failure(&error))
    }

    /// Whoever read the media has had enough.
    pub(super) fn reader_gone(&self) -> bool {
        self.reader_gone
    }

    fn failure(&mut self, error: &io::Error) -> Failure {
        self.reader_gone = error.kind() == ErrorKind::BrokenPipe;
        Failure::Failed(format!("cannot write {}: {error}", self.name))
    }
}
