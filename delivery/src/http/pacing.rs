//! How fast connections are sent media. The rule is `policy::pacing`'s; the kernel keeps to it (SO_MAX_PACING_RATE, socket(7)), so that
//! nothing here waits or copies, and one answer costs one system call where the pace is another than before.
//!
//! Never paced are relays, once they have shown their pass, and the networks of `http.pacing.proxies`: both carry many viewers. What is not
//! media is sent at the pace of what came before it on its connection. Each connection of a session has the pace for itself; the burst
//! it has only once ([`crate::census::Line::sent`]).

mod config;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use hls::Resource;
use http::Version;
use ipnet::IpNet;
use metrics::Gauge;
use policy::pacing::{self, Object, Pace};
use tokio::net::TcpStream;

pub use self::config::Config;
use super::{Caller, Site};
use crate::{adaptation::Ladder, feed::Feed, metrics::paced_connections, sys};

/// Answers on an HTTP/2 connection that are taken to be on their way together: a picture, its sound, its subtitles, and an initialization
/// section. Where it is more than they are, a burst lasts for a few answers longer; where it is less, the picture comes as slowly as
/// its sound.
const TOGETHER: usize = 4;

/// The pacing of a site.
#[derive(Debug)]
pub(super) struct Pacing {
    rule: pacing::Pacing,
    proxies: Vec<IpNet>,
    paced: Gauge,
}

impl Pacing {
    /// As the config says.
    pub(super) fn new(config: &Config) -> Self {
        let rule = config.rule();
        if rule.is_on() && !sys::CAN_PACE {
            tracing::debug!(
                "this system cannot pace connections: all are sent media as fast as their lines go"
            );
        }
        Self { rule, proxies: config.proxies.clone(), paced: paced_connections() }
    }

    /// The throttle of a connection that was just taken; none for one that is never paced.
    pub(super) fn throttle(&self, stream: &Arc<TcpStream>, peer: IpAddr) -> Option<Arc<Throttle>> {
        let peer = peer.to_canonical();
        let is_paced =
            sys::CAN_PACE && self.rule.is_on() && !self.proxies.iter().any(|network| network.contains(&peer));
        is_paced.then(|| {
            Arc::new(Throttle {
                socket: Arc::downgrade(stream),
                state: Mutex::new(State { latest: [0; TOGETHER], set: sys::UNPACED }),
                paced: self.paced.clone(),
            })
        })
    }
}

impl<F: Feed> Site<F> {
    /// Sets the pace at which a connection is sent `bytes` of an object of `len` bytes.
    pub(super) fn pace(
        &self,
        resource: &Resource<'_>,
        (bytes, len): (Option<u64>, Option<u64>),
        version: Version,
        caller: &Caller,
    ) {
        let Some(throttle) = &caller.throttle else { return };
        let pace = if caller.is_relay() {
            Pace::Free
        } else {
            let object = self.paced_object(resource, len, caller);
            let sent_before = caller.line().sent(object.time_of(bytes));
            self.pacing.rule.pace(&object, sent_before)
        };
        throttle.next(pace, version == Version::HTTP_2);
    }

    /// An object, as far as it is known here.
    fn paced_object(&self, resource: &Resource<'_>, len: Option<u64>, caller: &Caller) -> Object {
        let Some(ladder) = self.adaptation.ladder(resource.stream) else {
            return Object { bytes: len, ..Object::default() };
        };
        let rung = ladder.template().bandwidth(resource.rendition().unwrap_or_default());
        let uplink = ladder.uplink();
        Object {
            bandwidth: rung.map(|rung| rung.own),
            next_bandwidth: rung.and_then(|rung| rung.next),
            bytes: len,
            target_duration: ladder.target_duration(),
            uplink,
            steady: uplink.is_some() && (ladder.picks() || self.stays_above(&ladder, caller)),
        }
    }

    /// Whether a viewer has asked for more than the cap for so long that his player does not go by speed.
    fn stays_above(&self, ladder: &Ladder, caller: &Caller) -> bool {
        let asked = caller.line().above_since(ladder.cap());
        asked.is_some_and(|asked| pacing::stays(asked, ladder.cap_since(), self.clock.now()))
    }
}

/// What holds one connection back.
#[derive(Debug)]
pub(super) struct Throttle {
    socket: Weak<TcpStream>,
    /// Only answers on this one connection come here: nobody waits for long, and over HTTP/1.1 nobody at all.
    state: Mutex<State>,
    paced: Gauge,
}

#[derive(Debug)]
struct State {
    /// Bytes per second of the last answers, the latest first; 0 where there was none.
    latest: [u32; TOGETHER],
    /// What the kernel was told last.
    set: u32,
}

impl Throttle {
    /// The pace of the next answer. Over HTTP/1.1 it is the connection's, because a client that asks has got what it asked before.
    /// Over HTTP/2 that may still be on its way, and it is sent at the pace of the fastest of the last few.
    fn next(&self, pace: Pace, several: bool) {
        let mut state = self.state();
        state.latest.rotate_right(1);
        state.latest[0] = bytes_per_second(pace);
        let together = if several { TOGETHER } else { 1 };
        let rate = state.latest[..together].iter().max().copied().unwrap_or(sys::UNPACED);
        if rate != state.set {
            self.set(&mut state, rate);
        }
    }

    fn set(&self, state: &mut State, rate: u32) {
        let Some(socket) = self.socket.upgrade() else { return };
        if let Err(error) = sys::set_max_pacing_rate(&socket, rate) {
            tracing::debug!(%error, "a connection keeps the pace that it has");
            return;
        }
        match (state.set, rate) {
            (sys::UNPACED, _) => self.paced.increment(1),
            (_, sys::UNPACED) => self.paced.decrement(1),
            _ => {}
        }
        state.set = rate;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        if self.state().set != sys::UNPACED {
            self.paced.decrement(1);
        }
    }
}

/// As the kernel wants it: what its type cannot hold, 34 Gb/s and more, is no limit to anybody. Nor would 0 be.
fn bytes_per_second(pace: Pace) -> u32 {
    match pace {
        Pace::Free => sys::UNPACED,
        Pace::Limited(bits_per_second) => u32::try_from(bits_per_second / 8).unwrap_or(sys::UNPACED).max(1),
    }
}
