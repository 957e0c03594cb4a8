//! One stream's rungs at this server: which there are, what is given out of each, and up to which is sent now.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use hls::{Rendition, Template};
use papaya::HashMap;
use policy::{
    Time,
    adaptation::{Mode, Rung},
    pacing::Uplink,
};

use super::rail::Rail;

/// The rungs of a stream.
#[derive(Debug)]
pub(crate) struct Ladder {
    rungs: ArcSwap<Rungs>,
    rails: HashMap<Rendition, Arc<Rail>>,
    /// The highest rung that is sent, counted from the lowest.
    cap: AtomicUsize,
    /// When it fell last, in milliseconds.
    cap_since: AtomicU64,
    /// How many times what all viewers are sent fits the uplink, as the bits of a float: infinity where it does not matter.
    headroom: AtomicU64,
    /// Bits per second that are left of it, as the bits of a float.
    left: AtomicU64,
    /// The server alone picks the rung.
    picks: AtomicBool,
    target_ms: AtomicU64,
}

/// The rungs as the multivariant playlist has them, the lowest first.
#[derive(Debug)]
struct Rungs {
    template: Arc<Template>,
    names: Vec<Rendition>,
    /// Bits per second that each takes.
    rates: Vec<u64>,
}

impl Rungs {
    fn of(template: &Arc<Template>) -> Self {
        let ladder = template.ladder();
        // What a rung takes over time; its peak, where nobody says.
        let rate = |rung: &hls::Rung| rung.average_bandwidth.unwrap_or(rung.bandwidth);
        Self {
            template: Arc::clone(template),
            rates: ladder.iter().map(rate).collect(),
            names: ladder.into_iter().map(|rung| rung.rendition).collect(),
        }
    }
}

impl Ladder {
    /// The rungs of a stream, of which all are sent.
    pub(super) fn of(template: &Arc<Template>) -> Self {
        let ladder = Self {
            rungs: ArcSwap::from_pointee(Rungs::of(template)),
            rails: HashMap::new(),
            cap: AtomicUsize::new(usize::MAX),
            cap_since: AtomicU64::new(0),
            headroom: AtomicU64::new(f64::INFINITY.to_bits()),
            left: AtomicU64::new(0),
            picks: AtomicBool::new(false),
            target_ms: AtomicU64::new(0),
        };
        ladder.lay_rails();
        ladder
    }

    /// Follows the multivariant playlist.
    pub(super) fn follow(&self, template: &Arc<Template>) {
        if !Arc::ptr_eq(&self.rungs.load().template, template) {
            self.rungs.store(Arc::new(Rungs::of(template)));
            self.lay_rails();
        }
    }

    fn lay_rails(&self) {
        let (rungs, rails) = (self.rungs.load(), self.rails.pin());
        rails.retain(|name, _| rungs.names.contains(name));
        for name in &rungs.names {
            rails.get_or_insert_with(name.clone(), || Arc::new(Rail::new()));
        }
    }

    /// A rung's place and what is given out of it; none for sound and subtitles.
    pub(crate) fn rung(&self, rendition: &str) -> Option<(usize, Arc<Rail>)> {
        let rail = self.rails.pin().get(rendition).map(Arc::clone)?;
        Some((self.place(rendition)?, rail))
    }

    /// A rung's place, counted from the lowest; none for sound and subtitles.
    pub(crate) fn place(&self, rendition: &str) -> Option<usize> {
        self.rungs.load().names.iter().position(|name| name.as_str() == rendition)
    }

    /// The highest rung that is sent.
    pub(crate) fn cap(&self) -> usize {
        self.cap.load(Relaxed)
    }

    /// Since when it has not fallen.
    pub(crate) fn cap_since(&self) -> Time {
        Time::from_millis(self.cap_since.load(Relaxed))
    }

    pub(super) fn set_cap(&self, cap: usize, now: Time) {
        if self.cap.swap(cap, Relaxed) > cap {
            self.cap_since.store(now.as_millis(), Relaxed);
        }
    }

    /// How the uplink stands; none where that is not known, or is not to matter.
    pub(crate) fn uplink(&self) -> Option<Uplink> {
        let [headroom, left] = [&self.headroom, &self.left].map(|bits| f64::from_bits(bits.load(Relaxed)));
        headroom.is_finite().then_some(Uplink { headroom, left })
    }

    pub(super) fn set_uplink(&self, uplink: Option<Uplink>) {
        self.set_left(uplink.map_or(0.0, |uplink| uplink.left));
        let headroom = uplink.map_or(f64::INFINITY, |uplink| uplink.headroom);
        self.headroom.store(headroom.to_bits(), Relaxed);
    }

    /// Another newcomer was promised something.
    pub(super) fn set_left(&self, left: f64) {
        self.left.store(left.to_bits(), Relaxed);
    }

    /// Whether the server alone picks the rung.
    pub(crate) fn picks(&self) -> bool {
        self.picks.load(Relaxed)
    }

    pub(super) fn set_picks(&self, picks: bool) {
        self.picks.store(picks, Relaxed);
    }

    /// The rungs that can stand in for one above the cap, the highest first.
    pub(crate) fn up_to(&self, cap: usize) -> Vec<Rendition> {
        self.rungs.load().names.iter().take(cap.saturating_add(1)).rev().cloned().collect()
    }

    /// The rungs with which a newcomer may begin that could have the one at `highest`, and is to begin with the one at `begins`: the highest
    /// up to that first, then the nearest above it, should those not do.
    pub(crate) fn to_begin_with(&self, begins: usize, highest: usize) -> Vec<Rendition> {
        let above =
            self.rungs.load().names.iter().take(highest).skip(begins.saturating_add(1)).cloned().collect();
        [self.up_to(begins), above].concat()
    }

    /// The rungs of which it matters whether others may stand for them, and that is not known, or was not so when somebody looked:
    /// those above the cap, and all where the server picks.
    pub(crate) fn unsure(&self, mode: Mode) -> Vec<Rendition> {
        let lowest = match mode {
            Mode::Client => return Vec::new(),
            Mode::Capped => self.cap().saturating_add(1),
            Mode::Server { .. } => 1,
        };
        let rails = self.rails.pin();
        let is_sure = |rail: &Arc<Rail>| rail.is_known() && rail.yields();
        let unsure = |name: &&Rendition| rails.get(name.as_str()).is_some_and(|rail| !is_sure(rail));
        self.rungs.load().names.iter().skip(lowest).filter(unsure).cloned().collect()
    }

    /// The rung's name; of a place above the ladder, that of the highest.
    pub(crate) fn name(&self, place: usize) -> Option<Rendition> {
        let rungs = self.rungs.load();
        rungs.names.get(place.min(rungs.names.len().checked_sub(1)?)).cloned()
    }

    /// Bits per second of each rung, the lowest first.
    pub(crate) fn rates(&self) -> Vec<u64> {
        self.rungs.load().rates.clone()
    }

    /// The multivariant playlist that they are of.
    pub(crate) fn template(&self) -> Arc<Template> {
        Arc::clone(&self.rungs.load().template)
    }

    /// How long a segment is at most, once that is known.
    pub(crate) fn target_duration(&self) -> Duration {
        Duration::from_millis(self.target_ms.load(Relaxed))
    }

    pub(crate) fn set_target_duration(&self, target: Duration) {
        self.target_ms.store(u64::try_from(target.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Bits per second of a rung; of a place above the ladder, of the highest.
    pub(crate) fn rate(&self, place: usize) -> u64 {
        let rungs = self.rungs.load();
        rungs.rates.get(place).or(rungs.rates.last()).copied().unwrap_or_default()
    }

    /// Bits per second at its peak of the highest rung that is sent, and whether that is the lowest there is.
    pub(crate) fn highest_sent(&self) -> (u64, bool) {
        let (rungs, cap) = (self.rungs.load(), self.cap());
        let name = rungs.names.get(cap).or(rungs.names.last());
        let peak = name.and_then(|name| rungs.template.bandwidth(name.as_str()));
        (peak.map_or(0, |peak| peak.own), cap == 0 && rungs.names.len() > 1)
    }

    /// The rungs for policy, with the viewers who ask for each. Of those of whom nobody knows what they ask for, as many ask for the
    /// highest as what is sent can be: anybody can ask for playlists. And how many those are.
    pub(super) fn load(&self, asking: &[u32], viewers: u32, egress: u64) -> (Vec<Rung>, u32) {
        let (rungs, rails) = (self.rungs.load(), self.rails.pin());
        let known: u32 = asking.iter().sum();
        let top = rungs.names.len().saturating_sub(1);
        let most = egress / rungs.rates.last().copied().unwrap_or_default().max(1) + 1;
        let unknown = viewers.saturating_sub(known).min(u32::try_from(most).unwrap_or(u32::MAX));
        let rung = |(place, (name, rate)): (usize, (&Rendition, &u64))| {
            let asks = asking.get(place).copied().unwrap_or_default();
            let unknown = if place == top { unknown } else { 0 };
            let yields = rails.get(name).is_none_or(|rail| rail.yields());
            Rung { rate: *rate, viewers: asks.saturating_add(unknown), yields }
        };
        (rungs.names.iter().zip(&rungs.rates).enumerate().map(rung).collect(), unknown)
    }

    /// Renditions that newcomers are not told of: those above the cap that nothing can stand in for; where the server picks, all but
    /// the highest of the others. The lowest is never left out.
    pub(crate) fn withheld(&self, mode: Mode) -> Vec<Rendition> {
        let (rungs, cap) = (self.rungs.load(), self.cap());
        let fits = |place: usize, name: &Rendition| {
            place == 0 || place <= cap || self.rails.pin().get(name.as_str()).is_none_or(|rail| rail.yields())
        };
        let told: Vec<bool> = rungs.names.iter().enumerate().map(|(place, name)| fits(place, name)).collect();
        let highest = told.iter().rposition(|told| *told);
        let is_told = |place: usize| match mode {
            Mode::Client => true,
            Mode::Capped => told[place],
            Mode::Server { .. } => Some(place) == highest,
        };
        rungs
            .names
            .iter()
            .enumerate()
            .filter(|(place, _)| !is_told(*place))
            .map(|(_, name)| name.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use hls::Multivariant;

    use super::*;

    fn ladder() -> Ladder {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2000000,RESOLUTION=1280x720\n720p/live.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=426x240\n240p/live.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\n360p/live.m3u8\n";
        let base = "http://127.0.0.1/live/index.m3u8".parse().unwrap();
        let (template, _) =
            Template::of_upstream(&Multivariant::parse(text.as_bytes(), &base).unwrap()).unwrap();
        Ladder::of(&Arc::new(template))
    }

    fn names(renditions: &[Rendition]) -> Vec<&str> {
        renditions.iter().map(Rendition::as_str).collect()
    }

    #[test]
    fn rungs_have_their_places_from_the_lowest_up() {
        let ladder = ladder();
        assert_eq!(ladder.rung("360p").map(|(place, _)| place), Some(1));
        assert!(ladder.rung("audio-en").is_none());
        assert_eq!(
            (ladder.rate(0), ladder.rate(2), ladder.rate(usize::MAX)),
            (300_000, 2_000_000, 2_000_000)
        );
        assert_eq!(names(&ladder.up_to(1)), ["360p", "240p"]);
        assert_eq!(names(&ladder.up_to(usize::MAX)), ["720p", "360p", "240p"]);
        assert_eq!(names(&ladder.to_begin_with(1, 2)), ["360p", "240p"]);
        assert_eq!(names(&ladder.to_begin_with(0, 2)), ["240p", "360p"]);
        assert_eq!(ladder.name(usize::MAX).unwrap().as_str(), "720p");
        assert_eq!(ladder.highest_sent(), (3_000_000, false));
        ladder.set_cap(0, Time::default());
        assert_eq!(ladder.highest_sent(), (300_000, true));
    }

    #[test]
    fn viewers_of_whom_nobody_knows_what_they_ask_for_ask_for_the_highest() {
        let asking = |egress| -> (Vec<u32>, u32) {
            let (rungs, guessed) = ladder().load(&[1, 2], 6, egress);
            (rungs.iter().map(|rung| rung.viewers).collect(), guessed)
        };
        assert_eq!(asking(20_000_000), (vec![1, 2, 3], 3));
        assert_eq!(asking(2_000_000), (vec![1, 2, 2], 2), "no more than could be sent it");
    }

    #[test]
    fn newcomers_are_told_of_all_that_can_be_lowered() {
        let ladder = ladder();
        ladder.set_cap(0, Time::default());
        assert!(ladder.withheld(Mode::Capped).is_empty());
        ladder.rung("720p").unwrap().1.note_yields(false);
        assert_eq!(names(&ladder.withheld(Mode::Capped)), ["720p"]);
        assert!(ladder.withheld(Mode::Client).is_empty());
        ladder.set_cap(2, Time::default());
        assert!(ladder.withheld(Mode::Capped).is_empty());
    }

    #[test]
    fn where_the_server_picks_newcomers_are_told_of_one_variant() {
        let ladder = ladder();
        let mode = Mode::Server { per_session: false };
        assert_eq!(names(&ladder.withheld(mode)), ["240p", "360p"]);
        ladder.set_cap(1, Time::default());
        ladder.rung("720p").unwrap().1.note_yields(false);
        assert_eq!(names(&ladder.withheld(mode)), ["240p", "720p"]);
        for rendition in ["240p", "360p", "720p"] {
            ladder.rung(rendition).unwrap().1.note_yields(false);
        }
        ladder.set_cap(0, Time::default());
        assert_eq!(names(&ladder.withheld(mode)), ["360p", "720p"]);
    }
}
