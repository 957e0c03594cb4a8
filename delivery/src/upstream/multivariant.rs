//! A stream's multivariant playlist as the upstream serves it, read back into the template that viewers' playlists are
//! rendered from.

use std::{sync::Arc, time::Duration};

use hls::{Multivariant, Template};

use super::{
    client::{Client, Read},
    kept::Subject,
};
use crate::object::FetchError;

/// Looks older than this many refreshes are of no use to anybody.
const INTEREST_REFRESHES: u32 = 3;

/// The multivariant playlist of one stream.
pub(super) struct Ladder {
    pub(super) client: Arc<Client>,
    /// Its path at every server.
    pub(super) path: String,
    pub(super) refresh: Duration,
}

impl Subject for Ladder {
    type Value = Arc<Template>;

    async fn ask(&self, _: Option<&Arc<Template>>) -> Result<Arc<Template>, FetchError> {
        let Read { body, url, .. } = self.client.playlist(&self.path, Duration::ZERO).await?;
        let read = Multivariant::parse(&body, &url).and_then(|read| Template::of_upstream(&read));
        match read {
            Ok((template, _)) => Ok(Arc::new(template)),
            Err(error) => Err(FetchError::Failed(format!("its playlist {url} cannot be used: {error}"))),
        }
    }

    fn pause(&self, _: Option<&Arc<Template>>, _: &Arc<Template>) -> Duration {
        self.refresh
    }

    fn interest(&self, _: Option<&Arc<Template>>) -> Duration {
        self.refresh * INTEREST_REFRESHES
    }
}
