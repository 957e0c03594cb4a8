//! Between this server's words and the messages of `Fleet.Attach`.

use std::{sync::Arc, time::Duration};

use policy::{
    InvalidName, Phase, SessionId, StreamName,
    adaptation::Mode,
    redirects::{RedirectQuota, RelayQuota},
    routing::{Kind, Pathway, Slot},
    session::{Key, Keys},
};
use proto::v1::{self, attach_request::Message};

use super::account::{Account, Identity, StreamState, Tally};
use crate::{adaptation::Cap, situation::Situation};

/// The shortest report interval taken from a directive: one that asks for more would make a load of its own.
const SHORTEST_REPORT_INTERVAL: Duration = Duration::from_millis(50);

/// A directive that this server cannot follow.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidDirective {
    #[error("its phase is none that a server can be told to be in")]
    Phase,
    #[error("a session key is not of 32 bytes, or not exactly one is current, or there are more than two")]
    Keys,
    #[error(transparent)]
    Name(#[from] InvalidName),
}

pub(super) fn hello(
    identity: &Identity,
    incarnation: u64,
    phase: Phase,
    streams: Vec<StreamState>,
) -> v1::AttachRequest {
    request(Message::Hello(v1::Hello {
        id: identity.id.to_string(),
        kind: match identity.kind {
            Kind::Primary => v1::ServerKind::Primary,
            Kind::Relay => v1::ServerKind::Relay,
        }
        .into(),
        region: identity.region.to_string(),
        base_url: identity.base_url.to_string(),
        capacity: identity.capacity,
        uplink_bits_per_second: identity.uplink_bits_per_second,
        incarnation,
        join_secret: identity.join_secret.reveal().to_owned(),
        streams: streams.into_iter().map(stream).collect(),
        launch_id: identity.launch_id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        metrics_address: identity.metrics_address.clone(),
        phase: v1::Phase::from(phase).into(),
    }))
}

pub(super) fn report(
    situation: &Situation,
    account: Account,
    streams: Vec<StreamState>,
) -> v1::AttachRequest {
    request(Message::Report(v1::Report {
        applied_generation: situation.generation,
        phase: v1::Phase::from(situation.phase).into(),
        viewers: account.viewers.into_iter().map(count).collect(),
        opened_total: account.opened_total,
        departed_total: account.departed_total,
        refused_total: account.refused_total,
        egress_bytes_total: account.egress_bytes_total,
        upstream: Some(v1::UpstreamHealth {
            healthy: account.upstream_healthy,
            failures_total: account.upstream_failures_total,
        }),
        arrived: account.arrived.into_iter().map(String::from).collect(),
        streams: streams.into_iter().map(stream).collect(),
        quiet: account.quiet,
        redirected: account.redirected.into_iter().map(count).collect(),
        rung_caps: account.standing.caps.iter().map(rung_cap).collect(),
        room: account.standing.room,
        uplink_bits_per_second: account.standing.uplink.unwrap_or_default(),
    }))
}

pub(super) fn goodbye(reason: &str) -> v1::AttachRequest {
    request(Message::Goodbye(v1::Goodbye { reason: reason.to_owned() }))
}

/// What a directive says, as the situation of a server that was in another before.
pub(super) fn situation(directive: v1::Directive, before: &Situation) -> Result<Situation, InvalidDirective> {
    let provisional = directive.provisional;
    let mut told = whole(directive, before.phase)?;
    if told.modes.is_empty() {
        // A manager that knows no primary knows nobody's; what was listed by them goes on.
        told.modes.clone_from(&before.modes);
    }
    Ok(if provisional && before.generation > 0 { kept_as_it_was(told, before) } else { told })
}

/// What a manager that does not know its fleet yet can say, and for the rest what was said before.
fn kept_as_it_was(told: Situation, before: &Situation) -> Situation {
    Situation {
        streams: before.streams.clone(),
        modes: before.modes.clone(),
        upstream: before.upstream.clone(),
        primary: before.primary.clone(),
        redirects: before.redirects.clone(),
        pathways: before.pathways.clone(),
        ..told
    }
}

fn whole(directive: v1::Directive, phase: Phase) -> Result<Situation, InvalidDirective> {
    let wanted = directive.phase().try_into().map_err(|_| InvalidDirective::Phase)?;
    let interval = Duration::from_millis(u64::from(directive.report_interval_ms));
    Ok(Situation {
        generation: directive.generation,
        attached: true,
        wanted,
        phase,
        streams: directive.streams.iter().map(|name| name.parse()).collect::<Result<Vec<StreamName>, _>>()?,
        modes: directive.adaptation.iter().filter_map(mode).collect(),
        upstream: filled(directive.upstream),
        primary: match filled(directive.primary_base_url) {
            Some(base_url) => Some(Slot { id: directive.primary_id.parse()?, base_url }),
            None => None,
        },
        steering_url: filled(directive.steering_url),
        redirects: directive.redirects.into_iter().map(redirects).collect::<Result<_, _>>()?,
        pathways: directive.pathways.into_iter().map(pathway).collect::<Result<_, _>>()?,
        keys: keys(&directive.session_keys)?,
        report_interval: interval.max(SHORTEST_REPORT_INTERVAL),
    })
}

/// Who picks a stream's bitrate; one that is told in words of a newer version is followed as if nothing was said.
fn mode(told: &v1::StreamAdaptation) -> Option<(StreamName, Mode)> {
    Some((told.stream.parse().ok()?, Mode::try_from(told.adaptation()).ok()?))
}

/// The sessions that can be ours; an id that is no name is nobody's.
pub(super) fn sessions(moved: v1::Moved) -> Vec<SessionId> {
    moved.sessions.into_iter().filter_map(|id| SessionId::try_from(id).ok()).collect()
}

fn request(message: Message) -> v1::AttachRequest {
    v1::AttachRequest { message: Some(message) }
}

fn stream(state: StreamState) -> v1::Stream {
    v1::Stream {
        name: state.name.into(),
        multivariant: state.multivariant.to_string(),
        target_duration_ms: u32::try_from(state.target_duration.as_millis()).unwrap_or(u32::MAX),
        live: state.live,
        ready: state.ready,
        adaptation: v1::Adaptation::from(state.mode).into(),
        withheld: state.withheld.iter().map(ToString::to_string).collect(),
    }
}

fn rung_cap(cap: &Cap) -> v1::RungCap {
    v1::RungCap {
        stream: cap.stream.to_string(),
        rung: u32::try_from(cap.rung).unwrap_or(u32::MAX),
        rendition: cap.rendition.to_string(),
    }
}

fn count(tally: Tally) -> v1::Count {
    v1::Count {
        stream: tally.stream.into(),
        region: tally.region.into(),
        class: v1::Class::from(tally.class).into(),
        viewers: tally.viewers,
    }
}

fn keys(keys: &[v1::SessionKey]) -> Result<Option<Arc<Keys>>, InvalidDirective> {
    let read = |key: &v1::SessionKey| match key.key.as_slice().try_into() {
        Ok(secret) => Ok(Key::new(key.id, secret)),
        Err(_) => Err(InvalidDirective::Keys),
    };
    let (current, other) = match keys {
        [] => return Ok(None),
        [only] => (only, None),
        [one, two] if one.current => (one, Some(two)),
        [one, two] => (two, Some(one)),
        _ => return Err(InvalidDirective::Keys),
    };
    if !current.current || other.is_some_and(|other| other.current) {
        return Err(InvalidDirective::Keys);
    }
    Ok(Some(Arc::new(Keys::new(read(current)?, other.map(read).transpose()?))))
}

fn redirects(quota: v1::RedirectQuota) -> Result<RedirectQuota, InvalidName> {
    let relay = |relay: v1::RelayQuota| {
        let slot = Slot { id: relay.id.parse()?, base_url: relay.base_url.into() };
        Ok(RelayQuota { relay: slot, viewers: relay.viewers })
    };
    Ok(RedirectQuota {
        region: quota.region.parse()?,
        keep: quota.keep,
        relays: quota.relays.into_iter().map(relay).collect::<Result<_, InvalidName>>()?,
    })
}

fn pathway(pathway: v1::Pathway) -> Result<Pathway, InvalidName> {
    Ok(Pathway {
        slot: Slot { id: pathway.id.parse()?, base_url: pathway.base_url.into() },
        regions: pathway.regions.iter().map(|region| region.parse()).collect::<Result<_, _>>()?,
    })
}

fn filled(text: String) -> Option<Arc<str>> {
    if text.is_empty() { None } else { Some(text.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32, current: bool) -> v1::SessionKey {
        v1::SessionKey { id, key: vec![7; 32], current }
    }

    fn directive(session_keys: Vec<v1::SessionKey>) -> v1::Directive {
        v1::Directive { phase: v1::Phase::Serving.into(), session_keys, ..Default::default() }
    }

    #[test]
    fn of_two_keys_the_one_named_current_signs() {
        let told =
            situation(directive(vec![key(1, false), key(2, true)]), &Situation::at_start(Phase::Serving))
                .unwrap();
        assert_eq!(told.keys.unwrap().current().id(), 2);
        assert!(
            situation(directive(Vec::new()), &Situation::at_start(Phase::Serving)).unwrap().keys.is_none()
        );
    }

    #[test]
    fn keys_that_cannot_be_right_are_not_followed() {
        let short = v1::SessionKey { id: 1, key: vec![7; 31], current: true };
        for keys in [vec![short], vec![key(1, false)], vec![key(1, true), key(2, true)]] {
            assert!(matches!(
                situation(directive(keys), &Situation::at_start(Phase::Serving)),
                Err(InvalidDirective::Keys)
            ));
        }
    }

    #[test]
    fn a_directive_without_a_phase_is_not_followed() {
        assert!(matches!(
            situation(v1::Directive::default(), &Situation::at_start(Phase::Serving)),
            Err(InvalidDirective::Phase)
        ));
    }

    #[test]
    fn a_manager_that_does_not_know_its_fleet_yet_takes_nothing_away() {
        let upstream = "http://127.0.0.1:8080";
        let mut settled = directive(vec![key(1, true)]);
        settled.generation = 1;
        settled.upstream = upstream.to_owned();
        settled.streams = vec!["live".to_owned()];
        let before = situation(settled, &Situation::at_start(Phase::Serving)).unwrap();

        let mut provisional = directive(vec![key(2, true)]);
        provisional.provisional = true;
        provisional.upstream = String::new();
        provisional.streams = Vec::new();
        let fresh = situation(provisional.clone(), &Situation::at_start(Phase::Standby)).unwrap();
        assert_eq!((fresh.upstream, fresh.streams.len()), (None, 0));

        let told = situation(provisional.clone(), &before).unwrap();
        assert_eq!((told.upstream.as_deref(), told.streams.len()), (Some(upstream), 1));
        assert_eq!(told.keys.unwrap().current().id(), 2);

        provisional.provisional = false;
        assert_eq!(situation(provisional, &before).unwrap().upstream, None);
    }
}
