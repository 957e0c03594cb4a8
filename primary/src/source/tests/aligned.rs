//! A source's rungs are judged by their media: real ladders of three segments (`hls/tests/ladder/make`), served as a live stream.

use hls::{
    mp4::{Init, parameter_sets::insert},
    ts::counters::settle,
};

use super::{fake::FakeUpstream, pulled::Pulled};

/// The segments of a rung of a ladder that ffmpeg made.
macro_rules! segments {
    ($folder:literal, $name:literal, $extension:literal) => {
        [
            include_bytes!(concat!("../../../../hls/tests/ladder/", $folder, "/", $name, "-0.", $extension))
                .as_slice(),
            include_bytes!(concat!("../../../../hls/tests/ladder/", $folder, "/", $name, "-1.", $extension)),
            include_bytes!(concat!("../../../../hls/tests/ladder/", $folder, "/", $name, "-2.", $extension)),
        ]
    };
}

const LOW: [&[u8]; 3] = segments!("ts", "low", "ts");
const HIGH: [&[u8]; 3] = segments!("ts", "high", "ts");
const ODD: [&[u8]; 3] = segments!("ts", "odd", "ts");

const FRAGMENTS: [[&[u8]; 3]; 2] = [segments!("mp4", "low", "m4s"), segments!("mp4", "high", "m4s")];
const INITS: [&[u8]; 2] = [
    include_bytes!("../../../../hls/tests/ladder/mp4/low-init.mp4"),
    include_bytes!("../../../../hls/tests/ladder/mp4/high-init.mp4"),
];

const LADDER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=48x32\nlow.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000,RESOLUTION=96x64\nhigh.m3u8\n";

/// A live list of these segments, numbered from `first`, each with `tags` before it.
fn put_rung(fake: &FakeUpstream, rung: &str, first: usize, segments: &[&'static [u8]], tags: &str) {
    let extension = if tags.contains("MAP") { "m4s" } else { "ts" };
    let mut list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for (number, media) in (first..).zip(segments) {
        fake.put(&format!("{rung}-{number}.{extension}"), *media);
        list.push_str(&format!("{tags}#EXTINF:1.0,\n{rung}-{number}.{extension}\n"));
    }
    fake.put(&format!("{rung}.m3u8"), list);
}

async fn source(low: &[&'static [u8]], high: &[&'static [u8]], tags: &str) -> (FakeUpstream, Pulled) {
    let fake = FakeUpstream::start().await;
    fake.put("master.m3u8", LADDER);
    put_rung(&fake, "low", 7, low, tags);
    put_rung(&fake, "high", 7, high, tags);
    let pulled = Pulled::from(fake.url("master.m3u8"));
    pulled.ready().await;
    (fake, pulled)
}

#[tokio::test]
async fn aligned_rungs_become_one_switching_set_and_nothing_is_fetched_twice() {
    let (fake, pulled) = source(&LOW, &HIGH, "").await;
    let both = || [pulled.switching_set("32p"), pulled.switching_set("64p")];
    pulled.until(|| both().iter().all(Option::is_some), "both are in a set").await;
    assert_eq!(both()[0], both()[1]);
    for rung in ["low", "high"] {
        assert_eq!((7..10).map(|n| fake.asked(&format!("{rung}-{n}.ts"))).collect::<Vec<_>>(), [1; 3]);
    }
    let newest = pulled.newest("64p").await;
    let served = pulled.segment("64p", newest, hls::Container::Ts).await.unwrap();
    assert_eq!(Some(served.to_vec()), settle(HIGH[2]).unwrap(), "its counters go on after any rung's");
}

#[tokio::test]
async fn a_rung_that_drifts_leaves_the_set_with_its_next_segment() {
    let (fake, pulled) = source(&LOW[..2], &HIGH[..2], "").await;
    pulled.until(|| pulled.switching_set("64p").is_some(), "two segments are enough").await;
    let newest = pulled.newest("64p").await;
    put_rung(&fake, "low", 7, &LOW, "");
    put_rung(&fake, "high", 7, &[HIGH[0], HIGH[1], ODD[2]], "");
    pulled.list_with("64p", newest + 1).await;
    pulled.until(|| pulled.switching_set("64p").is_none(), "the third is not aligned").await;
    pulled.until(|| pulled.switching_set("32p").is_none(), "nobody is left to stand for").await;
}

#[tokio::test]
async fn other_groups_of_pictures_and_encrypted_media_make_no_set() {
    let key = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n";
    for (high, tags) in [(&ODD, ""), (&HIGH, key)] {
        let (fake, pulled) = source(&LOW, high, tags).await;
        let all_there =
            || (7..10).all(|n| fake.asked(&format!("low-{n}.ts")) + fake.asked(&format!("high-{n}.ts")) == 2);
        pulled.until(all_there, "all are fetched").await;
        let newest = pulled.newest("64p").await;
        pulled.segment("64p", newest, hls::Container::Ts).await.unwrap();
        assert_eq!([pulled.switching_set("32p"), pulled.switching_set("64p")], [None; 2]);
    }
}

#[tokio::test]
async fn parameter_sets_are_put_into_fragments_that_have_none_and_the_rungs_become_a_set() {
    let fake = FakeUpstream::start().await;
    fake.put("master.m3u8", LADDER);
    fake.put("low-init.mp4", INITS[0]);
    fake.put("high-init.mp4", INITS[1]);
    put_rung(&fake, "low", 7, &FRAGMENTS[0], "#EXT-X-MAP:URI=\"low-init.mp4\"\n");
    put_rung(&fake, "high", 7, &FRAGMENTS[1], "#EXT-X-MAP:URI=\"high-init.mp4\"\n");
    let pulled = Pulled::from(fake.url("master.m3u8"));
    pulled.ready().await;
    pulled.until(|| pulled.switching_set("64p").is_some(), "both are in a set").await;
    assert_eq!(pulled.switching_set("64p"), pulled.switching_set("32p"));

    let newest = pulled.newest("64p").await;
    let served = pulled.segment("64p", newest, hls::Container::Mp4).await.unwrap();
    let init = Init::of(INITS[1]).unwrap();
    assert_eq!(Some(served.to_vec()), insert(&init, FRAGMENTS[1][2]).unwrap());
    assert_eq!((fake.asked("high-init.mp4"), fake.asked("high-9.m4s")), (1, 1));
    let served = pulled.object("64p", &format!("init-{}.mp4", newest - 2)).await.unwrap();
    assert_eq!(served, INITS[1], "the initialization section stays as it is");
}
