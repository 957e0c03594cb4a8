//! Streams as the wire has them and as the catalogue has them. All other words are converted in `proto`.

use std::time::Duration;

use policy::{InvalidName, adaptation::Mode};
use proto::v1;

use crate::{
    catalogue::{Catalogue, Description},
    clock::millis,
};

/// What a server says of its streams.
///
/// # Errors
/// When a stream's name is none.
pub(super) fn descriptions(streams: &[v1::Stream]) -> Result<Vec<Description>, InvalidName> {
    streams.iter().map(description).collect()
}

fn description(stream: &v1::Stream) -> Result<Description, InvalidName> {
    Ok(Description {
        name: stream.name.parse()?,
        multivariant: stream.multivariant.as_str().into(),
        target_duration: Duration::from_millis(stream.target_duration_ms.into()),
        live: stream.live,
        ready: stream.ready,
        mode: Mode::try_from(stream.adaptation()).unwrap_or(Mode::Client),
        // A name that is none names nothing of ours.
        withheld: stream.withheld.iter().filter_map(|name| name.parse().ok()).collect(),
    })
}

/// The catalogue, for operators.
pub(super) fn streams(catalogue: &Catalogue) -> Vec<v1::Stream> {
    let stream = |(name, stream): (&policy::StreamName, &crate::catalogue::Stream)| v1::Stream {
        name: name.to_string(),
        multivariant: stream.multivariant.to_string(),
        target_duration_ms: u32::try_from(millis(stream.target_duration)).unwrap_or(u32::MAX),
        live: stream.live,
        ready: stream.ready,
        adaptation: v1::Adaptation::from(stream.mode).into(),
        withheld: stream.withheld.iter().map(ToString::to_string).collect(),
    };
    catalogue.iter().map(stream).collect()
}
