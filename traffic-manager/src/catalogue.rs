//! The streams that there are, as the primary last described them, ready to be rendered for a viewer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hls::{InvalidPlaylist, Multivariant, Rendition, Template};
use policy::{StreamName, adaptation::Mode};
use url::Url;

/// Streams by name. Kept while the primary is away: its relays serve on.
pub(crate) type Catalogue = BTreeMap<StreamName, Stream>;

/// One stream.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// Its multivariant playlist as the primary rendered it, without a session.
    pub(crate) multivariant: Arc<str>,
    /// The same, to be rendered for a viewer; none before the primary has it.
    pub(crate) template: Option<Arc<Template>>,
    /// Its longest segment.
    pub(crate) target_duration: Duration,
    /// False where it has an end.
    pub(crate) live: bool,
    /// False before its first window is there.
    pub(crate) ready: bool,
    /// Who picks its bitrate.
    pub(crate) mode: Mode,
    /// Renditions that newcomers are not told of now.
    pub(crate) withheld: Arc<[Rendition]>,
}

/// A stream as a server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) name: StreamName,
    pub(crate) multivariant: Arc<str>,
    pub(crate) target_duration: Duration,
    pub(crate) live: bool,
    pub(crate) ready: bool,
    pub(crate) mode: Mode,
    pub(crate) withheld: Arc<[Rendition]>,
}

/// The catalogue that `described` makes of `before`; none where that is the same. What cannot be read is left as it was.
pub(crate) fn renewed(before: &Catalogue, described: &[Description]) -> Option<Catalogue> {
    let same = described.len() == before.len()
        && described.iter().all(|new| before.get(&new.name).is_some_and(|old| is_same(old, new)));
    if same {
        return None;
    }
    let mut after = Catalogue::new();
    for description in described {
        let known = before.get(&description.name);
        let template = template(description, known).unwrap_or_else(|error| {
            tracing::warn!(stream = %description.name, %error, "cannot read the primary's playlist of a stream");
            known.and_then(|known| known.template.clone())
        });
        after.insert(description.name.clone(), stream(description, template));
    }
    Some(after)
}

fn is_same(old: &Stream, new: &Description) -> bool {
    (&old.multivariant, old.target_duration, old.live, old.ready, old.mode, &old.withheld)
        == (&new.multivariant, new.target_duration, new.live, new.ready, new.mode, &new.withheld)
}

fn template(new: &Description, known: Option<&Stream>) -> Result<Option<Arc<Template>>, InvalidPlaylist> {
    if let Some(known) = known.filter(|known| known.multivariant == new.multivariant) {
        return Ok(known.template.clone());
    }
    if new.multivariant.is_empty() {
        return Ok(None);
    }
    // Relative URIs need some base to be read; only names are taken from them.
    let base =
        Url::parse("http://primary/").expect("a constant URL").join(&format!("{}/index.m3u8", new.name));
    let base = base.expect("a stream's name is a part of a path");
    let (template, _) = Template::of_upstream(&Multivariant::parse(new.multivariant.as_bytes(), &base)?)?;
    Ok(Some(Arc::new(template)))
}

fn stream(new: &Description, template: Option<Arc<Template>>) -> Stream {
    let Description { multivariant, target_duration, live, ready, mode, withheld, .. } = new.clone();
    Stream { multivariant, template, target_duration, live, ready, mode, withheld }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360\n360p/live.m3u8\n";

    fn live(multivariant: &str, ready: bool) -> Description {
        Description {
            name: "live".parse().unwrap(),
            multivariant: multivariant.into(),
            target_duration: Duration::from_secs(2),
            live: true,
            ready,
            mode: Mode::default(),
            withheld: Arc::from([]),
        }
    }

    #[test]
    fn what_is_said_again_changes_nothing() {
        let first = renewed(&Catalogue::new(), &[live(LADDER, false)]).unwrap();
        assert!(renewed(&first, &[live(LADDER, false)]).is_none());
        let second = renewed(&first, &[live(LADDER, true)]).unwrap();
        assert!(second["live"].ready);
        let template = |catalogue: &Catalogue| catalogue["live"].template.clone().unwrap();
        assert!(Arc::ptr_eq(&template(&first), &template(&second)));
    }

    #[test]
    fn what_newcomers_are_not_told_of_is_news() {
        let first = renewed(&Catalogue::new(), &[live(LADDER, true)]).unwrap();
        let withheld: Arc<[Rendition]> = Arc::from(["360p".parse().unwrap()]);
        let capped = Description { withheld, ..live(LADDER, true) };
        assert_eq!(renewed(&first, &[capped]).unwrap()["live"].withheld.len(), 1);
    }

    #[test]
    fn a_playlist_that_cannot_be_read_leaves_the_last_one() {
        let first = renewed(&Catalogue::new(), &[live(LADDER, true)]).unwrap();
        assert!(renewed(&first, &[live("<html>", true)]).unwrap()["live"].template.is_some());
        assert!(renewed(&Catalogue::new(), &[live("", false)]).unwrap()["live"].template.is_none());
    }
}
