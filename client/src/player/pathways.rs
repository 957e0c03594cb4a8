//! HLS Content Steering as a player does it (RFC 8216bis 7): which pathway to play, from the priorities that the steering server
//! gives, the clones that it names, and the pathways that failed.
//!
//! A pathway that failed is shunned for a while, as hls.js does, and playing falls to the next in priority; when all have
//! failed, the one that has been shunned longest is tried again, because a player that waits plays nothing.

use std::{collections::BTreeMap, time::Duration};

use hls::{Multivariant, Resource, multivariant, steering::Manifest};
use policy::Time;
use url::Url;

/// How long to wait after a steering request failed: short, since the manager may just be restarting.
const RETRY: Duration = Duration::from_secs(5);

/// One playable encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Peak bits per second.
    pub bandwidth: u64,
    /// Its media playlist.
    pub playlist: Url,
    /// The media playlist of its audio, where that is a rendition of its own.
    pub audio: Option<Url>,
}

impl Variant {
    /// The rendition's name at Spillway servers, by its address.
    #[must_use]
    pub fn rendition(&self) -> Option<&str> {
        Resource::parse(self.playlist.path()).and_then(|resource| resource.rendition())
    }

    /// What a multivariant playlist says of one of its variants. Of several renditions of audio the default one is played.
    #[must_use]
    pub fn of(variant: &multivariant::Variant, playlist: &Multivariant) -> Self {
        let group = variant.attributes.value("AUDIO");
        let audio =
            || playlist.media.iter().filter(|media| media.kind() == "AUDIO" && Some(media.group()) == group);
        let default = audio().find(|media| media.attributes.value("DEFAULT") == Some("YES"));
        Self {
            bandwidth: variant.bandwidth(),
            playlist: variant.uri.clone(),
            audio: default.or_else(|| audio().next()).and_then(|media| media.uri.clone()),
        }
    }

    /// The same somewhere else; none where `moved` knows no address for it.
    pub fn try_map(&self, moved: impl Fn(&Url) -> Option<Url>) -> Option<Self> {
        let audio = match &self.audio {
            Some(audio) => Some(moved(audio)?),
            None => None,
        };
        Some(Self { bandwidth: self.bandwidth, playlist: moved(&self.playlist)?, audio })
    }

    /// How many playlists are played together.
    #[must_use]
    pub fn tracks(&self) -> usize {
        1 + usize::from(self.audio.is_some())
    }
}

/// A multivariant playlist that offers nothing to play.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the multivariant playlist lists no variant of pathway {0:?}")]
pub struct NoVariant(String);

/// The pathways of a stream and which of them is played.
#[derive(Debug, Clone)]
pub struct Pathways {
    ladders: BTreeMap<String, Vec<Variant>>,
    priority: Vec<String>,
    shunned: BTreeMap<String, Time>,
    shun_for: Duration,
    current: String,
    reload: Option<Url>,
    ask_at: Time,
}

impl Pathways {
    /// What a multivariant playlist offers. The steering server, if there is one, is asked at once.
    ///
    /// # Errors
    /// When it lists no variant of the pathway to begin with.
    pub fn new(playlist: &Multivariant, shun_for: Duration, now: Time) -> Result<Self, NoVariant> {
        let mut ladders: BTreeMap<String, Vec<Variant>> = BTreeMap::new();
        for variant in &playlist.variants {
            ladders.entry(variant.pathway().to_owned()).or_default().push(Variant::of(variant, playlist));
        }
        for ladder in ladders.values_mut() {
            ladder.sort_by_key(|variant| variant.bandwidth);
        }
        let steering = playlist.steering.as_ref();
        let first = playlist.variants.first().map_or(".", multivariant::Variant::pathway);
        let current = steering.and_then(|steering| steering.pathway.as_deref()).unwrap_or(first).to_owned();
        if !ladders.contains_key(&current) {
            return Err(NoVariant(current));
        }
        let reload = steering.map(|steering| steering.server.clone());
        let priority = vec![current.clone()];
        let shunned = BTreeMap::new();
        Ok(Self { ladders, priority, shunned, shun_for, current, reload, ask_at: now })
    }

    /// The pathway that is played.
    #[must_use]
    pub fn current(&self) -> &str {
        &self.current
    }

    /// The ladder of the pathway that is played, lowest bitrate first; never empty.
    #[must_use]
    pub fn ladder(&self) -> &[Variant] {
        self.ladders.get(&self.current).map_or(&[], Vec::as_slice)
    }

    /// The steering request that is due at `now`, with what it must tell (RFC 8216bis 7.3).
    #[must_use]
    pub fn request(&self, now: Time, bits_per_second: Option<u64>) -> Option<Url> {
        let mut url = self.reload.clone().filter(|_| now >= self.ask_at)?;
        url.query_pairs_mut().append_pair("_HLS_pathway", &format!("\"{}\"", self.current));
        if let Some(throughput) = bits_per_second {
            url.query_pairs_mut().append_pair("_HLS_throughput", &throughput.to_string());
        }
        Some(url)
    }

    /// The steering server answered. True where another pathway is played from now on.
    pub fn answered(&mut self, manifest: &Manifest, now: Time) -> bool {
        self.ask_at = now + Duration::from_secs(manifest.ttl_s.max(1));
        if let (Some(old), Some(reload)) = (&self.reload, &manifest.reload_uri) {
            // A reference that is no URL leaves the one that worked.
            self.reload = old.join(reload).ok().or_else(|| self.reload.clone());
        }
        for clone in &manifest.pathway_clones {
            if let Some(base) = self.ladders.get(&clone.base_id) {
                let cloned = base.iter().map(|variant| variant.try_map(|uri| clone.uri(uri)));
                if let Some(cloned) = cloned.collect::<Option<Vec<_>>>() {
                    self.ladders.insert(clone.id.clone(), cloned);
                }
            }
        }
        self.priority.clone_from(&manifest.pathway_priority);
        self.choose(now)
    }

    /// The steering server could not be asked.
    pub fn unanswered(&mut self, now: Time) {
        self.ask_at = now + RETRY;
    }

    /// The steering server forbids to be asked again (410).
    pub fn stop_asking(&mut self) {
        self.reload = None;
    }

    /// The pathway that is played has failed. True where another is played from now on.
    pub fn failed(&mut self, now: Time) -> bool {
        self.shunned.insert(self.current.clone(), now + self.shun_for);
        self.choose(now)
    }

    /// Takes the first pathway in priority that is known and not shunned, else the one of them shunned longest. What the priority
    /// does not name is not played (RFC 8216bis 7.2): nothing may run there. Stays where it names nothing that is known.
    fn choose(&mut self, now: Time) -> bool {
        self.shunned.retain(|_, until| *until > now);
        let known = || self.priority.iter().filter(|id| self.ladders.contains_key(*id));
        let healthy = known().find(|id| !self.shunned.contains_key(*id));
        let longest_shunned = || known().min_by_key(|id| self.shunned.get(*id));
        let Some(next) = healthy.or_else(longest_shunned).cloned() else { return false };
        let moved = next != self.current;
        self.current = next;
        moved
    }
}

#[cfg(test)]
mod tests {
    use hls::steering::PathwayClone;
    use proptest::prelude::*;

    use super::*;

    const SHUN: Duration = Duration::from_secs(300);

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn pathways() -> Pathways {
        let text = b"#EXTM3U\n\
            #EXT-X-CONTENT-STEERING:SERVER-URI=\"http://127.0.0.1:7000/steer?s=t\",PATHWAY-ID=\"primary\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=900,PATHWAY-ID=\"primary\"\nhttp://127.0.0.1:80/live/v1/live.m3u8?s=t\n\
            #EXT-X-STREAM-INF:BANDWIDTH=400,PATHWAY-ID=\"primary\"\nhttp://127.0.0.1:80/live/v0/live.m3u8?s=t\n";
        let base = "http://127.0.0.1:7000/watch/live.m3u8".parse().unwrap();
        Pathways::new(&Multivariant::parse(text, &base).unwrap(), SHUN, at(0)).unwrap()
    }

    fn manifest(priority: &[&str]) -> Manifest {
        let priority = priority.iter().map(ToString::to_string).collect();
        let mut manifest = Manifest::new(10, "http://127.0.0.1:7000/steer?s=t&p=x".into(), priority);
        manifest.pathway_clones = vec![
            PathwayClone::at_host("primary", "relay-2", "127.0.0.2"),
            PathwayClone::at_host("primary", "relay-3", "127.0.0.3"),
        ];
        manifest
    }

    #[test]
    fn the_first_request_is_due_at_once_and_says_what_is_played() {
        let pathways = pathways();
        let url = pathways.request(at(0), Some(5000)).unwrap();
        assert_eq!(url.query(), Some("s=t&_HLS_pathway=%22primary%22&_HLS_throughput=5000"));
        assert_eq!(pathways.ladder()[0].bandwidth, 400);
    }

    #[test]
    fn a_clone_that_is_preferred_is_played_from_its_host_and_asked_about_at_its_ttl() {
        let mut pathways = pathways();
        assert!(!pathways.answered(&manifest(&["primary"]), at(0)));
        assert_eq!(pathways.request(at(9), None), None);
        assert!(pathways.answered(&manifest(&["relay-2", "primary"]), at(10)));
        assert_eq!(pathways.ladder()[0].playlist.as_str(), "http://127.0.0.2/live/v0/live.m3u8?s=t");
        assert_eq!(
            pathways.request(at(20), None).unwrap().query(),
            Some("s=t&p=x&_HLS_pathway=%22relay-2%22")
        );
    }

    #[test]
    fn a_pathway_that_failed_is_shunned_until_its_penalty_expires() {
        let mut pathways = pathways();
        let order = manifest(&["relay-2", "relay-3", "primary"]);
        pathways.answered(&order, at(0));
        assert!(pathways.failed(at(1)));
        assert_eq!(pathways.current(), "relay-3");
        assert!(!pathways.answered(&order, at(10)), "the steering server does not know yet");
        assert!(pathways.answered(&order, at(302)));
        assert_eq!(pathways.current(), "relay-2");
    }

    #[test]
    fn when_all_have_failed_the_one_shunned_longest_is_tried_again() {
        let mut pathways = pathways();
        pathways.answered(&manifest(&["relay-2", "relay-3", "primary"]), at(0));
        let order: Vec<String> = (1..=4)
            .map(|second| {
                pathways.failed(at(second));
                pathways.current().to_owned()
            })
            .collect();
        assert_eq!(order, ["relay-3", "primary", "relay-2", "relay-3"]);
    }

    #[test]
    fn a_clone_that_the_priority_does_not_name_is_never_played() {
        let mut pathways = pathways();
        pathways.answered(&manifest(&["primary"]), at(0));
        assert!(!pathways.failed(at(1)));
        assert_eq!(pathways.current(), "primary");
        assert!(
            pathways.answered(&manifest(&["relay-2", "primary"]), at(10)),
            "and is not held against it later"
        );
        assert_eq!(pathways.current(), "relay-2");
    }

    #[test]
    fn audio_of_its_own_moves_with_its_variant() {
        let text = b"#EXTM3U\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"fr\",URI=\"fr/live.m3u8\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",DEFAULT=YES,URI=\"en/live.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=900,AUDIO=\"a\",PATHWAY-ID=\"primary\"\nv1/live.m3u8\n";
        let base = "http://127.0.0.1/live/index.m3u8".parse().unwrap();
        let mut pathways = Pathways::new(&Multivariant::parse(text, &base).unwrap(), SHUN, at(0)).unwrap();
        let audio = |pathways: &Pathways| pathways.ladder()[0].audio.as_ref().map(ToString::to_string);
        assert_eq!(audio(&pathways).as_deref(), Some("http://127.0.0.1/live/en/live.m3u8"));
        pathways.answered(&manifest(&["relay-2"]), at(0));
        assert_eq!(audio(&pathways).as_deref(), Some("http://127.0.0.2/live/en/live.m3u8"));
    }

    #[test]
    fn a_pathway_that_nobody_declared_is_passed_over() {
        let mut pathways = pathways();
        assert!(!pathways.answered(&manifest(&["nonesuch", "primary"]), at(0)));
        assert_eq!(pathways.current(), "primary");
    }

    proptest! {
        #[test]
        fn no_pathway_is_played_that_failed_within_its_penalty_while_another_has_not(
            steps in proptest::collection::vec((0_u64..200, proptest::option::of(0_usize..3)), 1..60)
        ) {
            const IDS: [&str; 3] = ["relay-2", "relay-3", "primary"];
            let (mut pathways, mut now) = (pathways(), 0);
            let mut failed_at: BTreeMap<String, u64> = BTreeMap::new();
            pathways.answered(&manifest(&IDS), at(0));
            for (pass, preferred) in steps {
                now += pass;
                match preferred {
                    Some(first) => {
                        let mut order = IDS;
                        order.rotate_left(first);
                        pathways.answered(&manifest(&order), at(now));
                    }
                    None => {
                        failed_at.insert(pathways.current().to_owned(), now);
                        pathways.failed(at(now));
                    }
                }
                let shunned = |id: &str| failed_at.get(id).is_some_and(|at| now - at < SHUN.as_secs());
                prop_assert!(!shunned(pathways.current()) || IDS.iter().all(|id| shunned(id)));
                prop_assert!(!pathways.ladder().is_empty());
            }
        }
    }
}
