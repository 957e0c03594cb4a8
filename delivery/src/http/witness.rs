//! How a site stands, as its server reports it to the traffic manager.

use std::sync::Arc;

use hls::template::View;
use policy::SessionId;

use super::Site;
use crate::{
    feed::Feed,
    membership::{Account, StreamState, Witness},
};

impl<F: Feed> Witness for Site<F> {
    fn account(&self) -> Account {
        let now = self.clock.now();
        let (health, sent) = (self.feed.health(), self.egress.sent());
        // Before the count, which has them then.
        let arrived = self.census.take_arrived();
        let count = self.census.count();
        Account {
            viewers: count.viewers.clone(),
            redirected: self.redirects.tallies(now),
            opened_total: count.opened_total,
            departed_total: count.departed_total,
            refused_total: self.census.refused_total(),
            egress_bytes_total: sent.to_viewers + sent.to_relays,
            upstream_healthy: health.healthy,
            upstream_failures_total: health.failures_total,
            arrived,
            quiet: self.is_quiet(),
            standing: self.adaptation.standing(),
        }
    }

    fn streams(&self) -> Vec<StreamState> {
        let state = |stream: crate::feed::Stream| {
            let view = View { stream: stream.name.as_str(), ..View::default() };
            let multivariant = stream.template.as_ref().map(|template| template.render(&view));
            let mode = self.mode(&stream.name);
            let ladder = self.adaptation.ladder(stream.name.as_str());
            StreamState {
                mode,
                withheld: ladder.map(|ladder| ladder.withheld(mode)).unwrap_or_default(),
                multivariant: Arc::from(multivariant.unwrap_or_default()),
                target_duration: stream.target_duration,
                live: stream.live,
                ready: stream.ready && stream.template.is_some(),
                name: stream.name,
            }
        };
        self.feed.streams().into_iter().map(state).collect()
    }

    async fn moves(&self) {
        self.census.moves().await;
    }

    fn moved(&self, sessions: &[SessionId]) {
        self.census.moved(sessions, self.clock.now());
    }
}
