//! What servers say, in policy's words, and what they are told, in those of the wire.
//!
//! The join secret of a Hello and the multivariant playlists of its streams mean nothing to policy: whoever speaks to servers
//! looks at them first.

use std::{str::FromStr, time::Duration};

use policy::{
    Class, Decision, Directive, Phase, SessionId, StreamName,
    adaptation::Mode,
    fleet::{Count, Hello, Report, RungCap, StreamState},
    redirects::{RedirectQuota, RelayQuota},
    routing::{Kind, Pathway},
    session::Keys,
};

use super::{InvalidField, Problem};
use crate::v1;

impl Problem {
    fn of(self, field: &'static str) -> InvalidField {
        InvalidField { field, problem: self }
    }
}

/// Who a server is, as it attaches through `attachment`.
///
/// # Errors
/// When a field makes no sense, and which.
pub fn hello(message: v1::Hello, attachment: u64) -> Result<Hello, InvalidField> {
    Ok(Hello {
        attachment,
        id: name("id", &message.id)?,
        kind: Kind::try_from(message.kind()).map_err(|word| Problem::from(word).of("kind"))?,
        region: name("region", &message.region)?,
        phase: Phase::try_from(message.phase()).map_err(|word| Problem::from(word).of("phase"))?,
        base_url: message.base_url.into(),
        capacity: message.capacity,
        incarnation: message.incarnation,
        launched: !message.launch_id.is_empty(),
        streams: message.streams.iter().map(stream).collect::<Result<_, _>>()?,
        version: message.version,
        metrics_address: message.metrics_address,
    })
}

/// How a server is.
///
/// # Errors
/// When a field makes no sense, and which.
pub fn report(message: &v1::Report) -> Result<Report, InvalidField> {
    Ok(Report {
        applied_generation: message.applied_generation,
        phase: Phase::try_from(message.phase()).ok(),
        viewers: message.viewers.iter().map(count).collect::<Result<_, _>>()?,
        redirected: message.redirected.iter().map(count).collect::<Result<_, _>>()?,
        opened_total: message.opened_total,
        departed_total: message.departed_total,
        egress_bytes_total: message.egress_bytes_total,
        upstream_healthy: message.upstream.as_ref().is_some_and(|upstream| upstream.healthy),
        arrived: message.arrived.iter().map(|id| name("arrived", id)).collect::<Result<_, _>>()?,
        streams: message.streams.iter().map(stream).collect::<Result<_, _>>()?,
        quiet: message.quiet,
        room: (message.room > 0).then_some(message.room),
        uplink_bits_per_second: message.uplink_bits_per_second,
        rung_caps: message.rung_caps.iter().map(rung_cap).collect::<Result<_, _>>()?,
    })
}

/// What a server is told to be, and the keys by which it knows sessions.
#[must_use]
pub fn directive(directive: &Directive, keys: &Keys) -> v1::Directive {
    let content = &directive.content;
    let primary = content.primary.as_ref();
    v1::Directive {
        generation: directive.generation,
        phase: v1::Phase::from(content.phase).into(),
        streams: content.streams.iter().map(ToString::to_string).collect(),
        adaptation: content.modes.iter().map(adaptation).collect(),
        upstream: content.upstream.as_deref().unwrap_or_default().to_owned(),
        primary_id: primary.map(|primary| primary.id.to_string()).unwrap_or_default(),
        primary_base_url: primary.map(|primary| primary.base_url.to_string()).unwrap_or_default(),
        steering_url: content.steering_url.to_string(),
        redirects: content.redirects.iter().map(redirect_quota).collect(),
        session_keys: session_keys(keys),
        report_interval_ms: millis(content.report_interval),
        pathways: content.pathways.iter().map(pathway).collect(),
        provisional: content.provisional,
    }
}

/// That these sessions began to count elsewhere.
#[must_use]
pub fn moved(sessions: &[SessionId]) -> v1::Moved {
    v1::Moved { sessions: sessions.iter().map(ToString::to_string).collect() }
}

/// A decision that was taken at `unix_ms`.
#[must_use]
pub fn decision(decision: &Decision, unix_ms: i64) -> v1::Decision {
    v1::Decision {
        sequence: decision.sequence,
        unix_ms,
        kind: decision.action.as_str().to_owned(),
        reason: decision.reason.as_str().to_owned(),
        server: decision.server.as_ref().map(ToString::to_string).unwrap_or_default(),
        region: decision.region.as_ref().map(ToString::to_string).unwrap_or_default(),
        explanation: decision.reason.to_string(),
    }
}

fn name<T: FromStr<Err = policy::InvalidName>>(field: &'static str, text: &str) -> Result<T, InvalidField> {
    text.parse().map_err(|error| Problem::from(error).of(field))
}

fn stream(message: &v1::Stream) -> Result<StreamState, InvalidField> {
    Ok(StreamState {
        name: name("streams.name", &message.name)?,
        ready: message.ready,
        target_duration: Duration::from_millis(message.target_duration_ms.into()),
        // One that does not say so comes from a server that knew no other way.
        mode: Mode::try_from(message.adaptation()).unwrap_or(Mode::Client),
    })
}

fn rung_cap(message: &v1::RungCap) -> Result<RungCap, InvalidField> {
    Ok(RungCap {
        stream: name("rung_caps.stream", &message.stream)?,
        rung: message.rung,
        rendition: message.rendition.clone(),
    })
}

fn count(message: &v1::Count) -> Result<Count, InvalidField> {
    Ok(Count {
        region: name("viewers.region", &message.region)?,
        class: Class::try_from(message.class()).map_err(|word| Problem::from(word).of("viewers.class"))?,
        viewers: message.viewers,
    })
}

fn adaptation((stream, mode): (&StreamName, &Mode)) -> v1::StreamAdaptation {
    v1::StreamAdaptation { stream: stream.to_string(), adaptation: v1::Adaptation::from(*mode).into() }
}

fn redirect_quota(quota: &RedirectQuota) -> v1::RedirectQuota {
    let relay = |RelayQuota { relay, viewers }: &RelayQuota| v1::RelayQuota {
        id: relay.id.to_string(),
        base_url: relay.base_url.to_string(),
        viewers: *viewers,
    };
    v1::RedirectQuota {
        region: quota.region.to_string(),
        keep: quota.keep,
        relays: quota.relays.iter().map(relay).collect(),
    }
}

fn session_keys(keys: &Keys) -> Vec<v1::SessionKey> {
    let current = keys.current().id();
    let key = |key: &policy::session::Key| v1::SessionKey {
        id: key.id(),
        key: key.bytes().to_vec(),
        current: key.id() == current,
    };
    keys.iter().map(key).collect()
}

fn pathway(pathway: &Pathway) -> v1::Pathway {
    v1::Pathway {
        id: pathway.slot.id.to_string(),
        base_url: pathway.slot.base_url.to_string(),
        regions: pathway.regions.iter().map(ToString::to_string).collect(),
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use policy::{Region, ServerId, fleet::Content, routing::Slot};

    use super::*;

    fn said() -> v1::Hello {
        v1::Hello {
            id: "relay-127-0-0-2".to_owned(),
            kind: v1::ServerKind::Relay.into(),
            region: "eu".to_owned(),
            base_url: "http://127.0.0.2:8080".to_owned(),
            capacity: 500,
            phase: v1::Phase::Standby.into(),
            streams: vec![v1::Stream {
                name: "live".to_owned(),
                target_duration_ms: 2_000,
                ready: true,
                ..v1::Stream::default()
            }],
            launch_id: "relay-127-0-0-2".to_owned(),
            ..v1::Hello::default()
        }
    }

    #[test]
    fn a_hello_is_taken_at_its_word() {
        let hello = hello(said(), 7).unwrap();
        assert_eq!((hello.attachment, hello.kind, hello.capacity), (7, Kind::Relay, 500));
        assert_eq!(hello.streams[0].target_duration, Duration::from_secs(2));
        assert!(hello.launched);
    }

    #[test]
    fn a_field_that_makes_no_sense_is_named() {
        let wrong: [(v1::Hello, &str); 4] = [
            (v1::Hello { id: "a/b".to_owned(), ..said() }, "id: server \"a/b\" is not a name"),
            (v1::Hello { region: String::new(), ..said() }, "region: region \"\" is not a name"),
            (v1::Hello { kind: 0, ..said() }, "kind: the message names no kind"),
            (v1::Hello { phase: 99, ..said() }, "phase: the message names no phase"),
        ];
        for (message, says) in wrong {
            let error = hello(message, 1).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
        let viewers = vec![v1::Count { region: "eu".to_owned(), class: 0, ..v1::Count::default() }];
        let error = report(&v1::Report { viewers, ..v1::Report::default() }).unwrap_err();
        assert_eq!(error.field, "viewers.class");
    }

    #[test]
    fn a_report_without_upstream_is_not_healthy() {
        assert!(!report(&v1::Report::default()).unwrap().upstream_healthy);
    }

    #[test]
    fn a_directive_says_all_that_a_server_shall_be() {
        let relay =
            Slot { id: ServerId::of_relay("127.0.0.2").unwrap(), base_url: "http://127.0.0.2:8080".into() };
        let content = Content {
            phase: Phase::Serving,
            streams: vec!["live".parse().unwrap()],
            modes: [("live".parse().unwrap(), Mode::Server { per_session: true })].into(),
            upstream: None,
            primary: Some(Slot { id: ServerId::primary(), base_url: "http://127.0.0.1:8080".into() }),
            steering_url: "http://127.0.0.1:7000/steer".into(),
            redirects: vec![RedirectQuota {
                region: Region::fallback(),
                keep: 3,
                relays: vec![RelayQuota { relay: relay.clone(), viewers: 7 }],
            }],
            pathways: vec![Pathway { slot: relay, regions: vec![Region::fallback()] }],
            report_interval: Duration::from_secs(1),
            provisional: false,
        };
        let told = directive(&Directive { generation: 9, content }, &Keys::derive(b"secret", 1));
        assert_eq!((told.generation, told.phase(), told.upstream.as_str()), (9, v1::Phase::Serving, ""));
        assert_eq!((told.redirects[0].keep, told.redirects[0].relays[0].viewers), (3, 7));
        assert_eq!((told.pathways[0].regions[0].as_str(), told.report_interval_ms), ("default", 1_000));
        assert_eq!(told.adaptation[0].adaptation(), v1::Adaptation::ServerPerSession);
        let current: Vec<_> = told.session_keys.iter().map(|key| (key.id, key.current)).collect();
        assert_eq!(current, [(1, true), (0, false)]);
    }
}
