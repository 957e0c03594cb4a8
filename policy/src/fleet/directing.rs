//! Tells every attached server what it shall be, whenever that has changed or it has attached anew.

use std::{collections::BTreeMap, sync::Arc};

use super::{Command, Content, Directive, Fleet, Server};
use crate::{
    Phase, Region, ServerId, StreamName,
    adaptation::Mode,
    routing::{Kind, Pathway, Slot},
};

impl Fleet {
    pub(super) fn direct(&mut self) {
        let common = self.common_content();
        let redirects = self.redirect_quotas();
        for id in self.ids_of(Server::is_attached) {
            let server = &self.servers[&id];
            let Some(attachment) = server.attachment.filter(|attachment| attachment.open) else { continue };
            let mut content = common.clone();
            match server.kind {
                Kind::Primary => content.redirects.clone_from(&redirects),
                Kind::Relay => {
                    content.phase = server.desired;
                    content.upstream = content.primary.as_ref().map(|primary| Arc::clone(&primary.base_url));
                }
            }
            self.send(&id, attachment.number, content);
        }
    }

    fn send(&mut self, id: &ServerId, attachment: u64, content: Content) {
        let Some(server) = self.servers.get_mut(id) else { return };
        let last = server.directive.as_ref().filter(|last| last.content == content);
        if last.is_some() && server.directed == Some(attachment) {
            return;
        }
        let directive = if let Some(last) = last {
            Arc::clone(last)
        } else {
            self.generation += 1;
            Arc::new(Directive { generation: self.generation, content })
        };
        server.directed = Some(attachment);
        server.directive = Some(Arc::clone(&directive));
        self.commands.push_back(Command::Direct { server: id.clone(), attachment, directive });
    }

    /// What all servers are told alike.
    fn common_content(&self) -> Content {
        Content {
            phase: Phase::Serving,
            streams: self.stream_names(),
            modes: self.modes(),
            upstream: None,
            primary: self.primary().map(Server::slot),
            steering_url: self.settings.steering_url.as_str().into(),
            redirects: Vec::new(),
            pathways: self.pathways(),
            report_interval: self.settings.report_interval,
            provisional: !self.settled,
        }
    }

    /// Who picks the bitrate of which stream.
    fn modes(&self) -> BTreeMap<StreamName, Mode> {
        self.streams().iter().map(|stream| (stream.name.clone(), stream.mode)).collect()
    }

    /// Slots that the provisioner offers, and relays that attached from elsewhere, by id.
    pub(super) fn pathways(&self) -> Vec<Pathway> {
        let mut pathways: BTreeMap<ServerId, Pathway> = BTreeMap::new();
        for offer in self.slots.iter().filter(|offer| self.fits(&offer.base_url)) {
            let slot = Slot { id: offer.id.clone(), base_url: Arc::clone(&offer.base_url) };
            let regions = offer.region.as_ref().map_or_else(Vec::new, |own| self.reached_from(own));
            pathways.insert(offer.id.clone(), Pathway { slot, regions });
        }
        let attached = |server: &&Server| server.kind == Kind::Relay && server.is_attached();
        for server in self.servers.values().filter(attached) {
            let regions = || self.reached_from(&server.region);
            pathways
                .entry(server.id.clone())
                .or_insert_with(|| Pathway { slot: server.slot(), regions: regions() });
        }
        pathways.into_values().collect()
    }

    /// Regions whose viewers a relay in `own` may have.
    fn reached_from(&self, own: &Region) -> Vec<Region> {
        let neighbours = self.settings.regions.iter().filter(|(_, region)| region.neighbours.contains(own));
        std::iter::once(own).chain(neighbours.map(|(name, _)| name)).cloned().collect()
    }
}
