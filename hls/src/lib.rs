//! What a live stream is: its URLs, its playlists, its ladder, its window of numbered segments.
//!
//! Nothing here does I/O, reads a clock, rolls a die or logs: bytes and `now` are arguments, what is to be fetched is a value.
//! Servers, the traffic manager and the client all speak of a stream through this crate.

pub mod attributes;
pub mod cap;
pub mod cmcd;
pub mod cmsd;
mod continuity;
pub mod date;
mod fnv;
pub mod ingest;
pub mod key;
pub mod ladder;
pub mod media;
pub mod mp4;
pub mod multivariant;
mod nal;
pub mod numbering;
pub mod playlist;
pub mod steering;
pub mod switching;
pub mod template;
pub mod timeline;
mod track;
pub mod ts;
pub mod url;
pub mod window;

pub use attributes::Attributes;
pub use date::Date;
pub use ingest::Ingest;
pub use key::Keys;
pub use ladder::Rung;
pub use media::{ByteRange, MediaPlaylist, MediaSegment, Source};
pub use multivariant::Multivariant;
pub use playlist::{InvalidPlaylist, MAX_PLAYLIST_BYTES, PlaylistKind};
pub use switching::SwitchingSet;
pub use template::{Pathway, Template, View};
pub use url::{Container, Rendition, Resource};
pub use window::LiveWindow;
