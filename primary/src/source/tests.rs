//! Pulling, against an upstream on loopback whose documents the tests write.

mod aligned;
mod fake;
mod pulled;

use hls::Container;

use self::{fake::FakeUpstream, pulled::Pulled};

/// A live list of one-second segments `{n}.ts`.
fn live(first: u64, last: u64) -> String {
    let mut text =
        format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for number in first..=last {
        text.push_str(&format!("#EXTINF:1.0,\n{number}.ts\n"));
    }
    text
}

/// Puts such a list and its segments at `folder`.
fn put_live(fake: &FakeUpstream, folder: &str, first: u64, last: u64) {
    for number in first..=last {
        fake.put(&format!("{folder}/{number}.ts"), format!("{folder} {number}"));
    }
    fake.put(&format!("{folder}/list.m3u8"), live(first, last));
}

const LADDER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\nlow/list.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720\nhigh/list.m3u8\n";

#[tokio::test]
async fn a_live_ladder_is_followed_and_every_rung_is_fetched_as_it_appears() {
    let fake = FakeUpstream::start().await;
    fake.put("master.m3u8", LADDER);
    put_live(&fake, "low", 100, 104);
    put_live(&fake, "high", 100, 104);
    let pulled = Pulled::from(fake.url("master.m3u8"));
    pulled.ready().await;

    let first = pulled.newest("360p").await;
    assert_eq!(pulled.newest("720p").await, first, "rungs share their numbers");
    put_live(&fake, "low", 101, 105);
    put_live(&fake, "high", 101, 105);
    for rendition in ["360p", "720p"] {
        let list = pulled.list_with(rendition, first + 1).await;
        assert!(list.contains(&format!("\n{}.ts\n", first + 1)), "{list}");
    }
    assert_eq!(pulled.segment("720p", first + 1, Container::Ts).await.unwrap(), "high 105");
    pulled.until(|| fake.asked("low/105.ts") == 1, "the rung that nobody watches is fetched too").await;
    assert_eq!(fake.asked("high/105.ts"), 1);
}

#[tokio::test]
async fn the_last_window_is_served_on_while_the_upstream_is_down_and_it_goes_on_when_it_is_back() {
    let fake = FakeUpstream::start().await;
    put_live(&fake, "low", 7, 11);
    let pulled = Pulled::from(fake.url("low/list.m3u8"));
    pulled.ready().await;
    let newest = pulled.newest("main").await;
    pulled.until(|| fake.asked("low/11.ts") == 1, "the newest segment is fetched ahead").await;

    fake.set_down(true);
    pulled.until(|| !pulled.health().healthy, "the upstream's fall is noticed").await;
    assert!(pulled.health().failures_total > 0);
    assert_eq!(pulled.newest("main").await, newest);
    assert_eq!(pulled.segment("main", newest, Container::Ts).await.unwrap(), "low 11");

    put_live(&fake, "low", 8, 12);
    fake.set_down(false);
    pulled.list_with("main", newest + 1).await;
    assert!(pulled.health().healthy);
}

#[tokio::test]
async fn numbers_go_on_when_the_encoder_starts_again_with_a_discontinuity_there() {
    let fake = FakeUpstream::start().await;
    put_live(&fake, "low", 500, 504);
    let pulled = Pulled::from(fake.url("low/list.m3u8"));
    pulled.ready().await;
    let newest = pulled.newest("main").await;

    put_live(&fake, "low", 0, 1);
    let list = pulled.list_with("main", newest + 1).await;
    assert!(list.contains("#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME"), "{list}");
    assert!(list.contains(&format!("\n{newest}.ts\n")), "what was listed stays: {list}");
    assert_eq!(pulled.segment("main", newest + 1, Container::Ts).await.unwrap(), "low 0");
}

#[tokio::test]
async fn a_vod_of_byte_ranges_is_listed_whole_and_fetched_as_it_is_asked_for() {
    let fake = FakeUpstream::start().await;
    fake.put("all.mp4", "initONETWOO");
    fake.put(
        "vod.m3u8",
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"4@0\"\n#EXTINF:6,\n#EXT-X-BYTERANGE:3@4\nall.mp4\n\
         #EXTINF:4.5,\n#EXT-X-BYTERANGE:4\nall.mp4\n#EXT-X-ENDLIST\n",
    );
    let pulled = Pulled::from(fake.url("vod.m3u8"));
    pulled.ready().await;
    let list = pulled.list("main").await;
    assert!(list.ends_with("#EXT-X-ENDLIST\n") && list.contains("#EXT-X-MAP:URI=\"init-0.mp4\""), "{list}");
    assert_eq!(fake.asked("all.mp4"), 0);
    assert_eq!(pulled.segment("main", 0, Container::Mp4).await.unwrap(), "ONE");
    assert_eq!(pulled.segment("main", 1, Container::Mp4).await.unwrap(), "TWOO");
    assert_eq!(pulled.object("main", "init-0.mp4").await.unwrap(), "init");
    assert_eq!(fake.asked("vod.m3u8"), 2, "to see what it is and to read it, then never again");
}

#[tokio::test]
async fn a_key_without_a_vector_gets_the_upstreams_number_written_out() {
    let fake = FakeUpstream::start().await;
    let text = live(20, 22)
        .replace("#EXTINF:1.0,\n20.ts", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1.0,\n20.ts");
    fake.put("enc/list.m3u8", text);
    let pulled = Pulled::from(fake.url("enc/list.m3u8"));
    pulled.ready().await;
    let list = pulled.list("main").await;
    let key = fake.url("enc/k");
    let tag = format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{key}\",IV=0x00000000000000000000000000000014");
    assert!(list.contains(&tag), "{list}");
}

#[tokio::test]
async fn audio_groups_date_ranges_and_gaps_pass_through() {
    let fake = FakeUpstream::start().await;
    fake.put(
        "master.m3u8",
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",LANGUAGE=\"en\",NAME=\"English\",URI=\"en/list.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,AUDIO=\"a\"\nlow/list.m3u8\n",
    );
    put_live(&fake, "en", 3, 6);
    let text = live(3, 6).replace("#EXTINF:1.0,\n5.ts", "#EXT-X-GAP\n#EXTINF:1.0,\n5.ts").replace(
        "#EXTINF:1.0,\n6.ts",
        "#EXT-X-DATERANGE:ID=\"ad\",START-DATE=\"2026-11-20T14:00:00Z\"\n#EXTINF:1.0,\n6.ts",
    );
    fake.put("low/list.m3u8", text);
    let pulled = Pulled::from(fake.url("master.m3u8"));
    pulled.ready().await;
    assert!(pulled.multivariant().contains("audio-en/live.m3u8"), "{}", pulled.multivariant());
    assert_eq!(pulled.newest("audio-en").await, pulled.newest("360p").await);
    let list = pulled.list("360p").await;
    assert!(list.contains("#EXT-X-GAP\n") && list.contains("#EXT-X-DATERANGE:ID=\"ad\""), "{list}");
    assert_eq!(fake.asked("low/5.ts"), 0, "what is known to be missing is not asked for");
}

#[tokio::test]
async fn what_is_no_playlist_is_said_and_tried_again_until_it_is_one() {
    let fake = FakeUpstream::start().await;
    let pulled = Pulled::from(fake.url("low/list.m3u8"));
    for (document, words) in [
        ("<!doctype html><title>TV</title>", "web page"),
        ("", "empty"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:x,\n1.ts\n", "line 3"),
    ] {
        fake.put("low/list.m3u8", document);
        pulled.until(|| pulled.waits_for().contains(words), words).await;
    }
    fake.remove("low/list.m3u8");
    pulled.until(|| pulled.waits_for().contains("404"), "404").await;
    put_live(&fake, "low", 1, 3);
    pulled.ready().await;
}

#[tokio::test]
async fn a_rendition_that_moved_is_looked_up_again() {
    let fake = FakeUpstream::start().await;
    fake.put("master.m3u8", LADDER);
    put_live(&fake, "low", 1, 3);
    put_live(&fake, "high", 1, 3);
    let pulled = Pulled::from(fake.url("master.m3u8"));
    pulled.ready().await;
    let newest = pulled.newest("360p").await;

    fake.put("master.m3u8", LADDER.replace("low/", "elsewhere/"));
    fake.remove("low/list.m3u8");
    put_live(&fake, "elsewhere", 1, 4);
    pulled.list_with("360p", newest + 1).await;
    assert_eq!(pulled.segment("360p", newest + 1, Container::Ts).await.unwrap(), "elsewhere 4");
}
