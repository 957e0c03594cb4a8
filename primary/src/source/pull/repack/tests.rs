//! A segment that ffmpeg made (`hls/tests/ladder/make`), arriving in pieces.

use futures::TryStreamExt as _;

use super::*;

const INIT: &[u8] = include_bytes!("../../../../../hls/tests/ladder/mp4/low-init.mp4");
const BARE: &[u8] = include_bytes!("../../../../../hls/tests/ladder/mp4/low-0.m4s");

fn init() -> Init {
    Init::of(INIT).unwrap()
}

fn complete() -> Vec<u8> {
    insert(&init(), BARE).unwrap().unwrap()
}

/// An answer of this much, of which this comes.
fn answer(total: Option<usize>, media: &[u8], piece: usize, end: Option<Broken>) -> Fetched {
    let pieces = media.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).chain(end.map(Err));
    let body = Box::pin(stream::iter(pieces.collect::<Vec<_>>()));
    Fetched { offset: 0, total: total.map(|total| total as u64), body }
}

async fn pieces(fetched: Fetched) -> Result<Vec<Bytes>, Broken> {
    let repacked = with_parameter_sets(fetched, init(), 1 << 20).await;
    repacked.body.try_collect().await
}

#[tokio::test]
async fn a_segment_without_parameter_sets_comes_out_whole_and_the_same_however_it_arrives() {
    for piece in [1, 100, 1448, 1 << 20] {
        let pieces = pieces(answer(Some(BARE.len()), BARE, piece, None)).await.unwrap();
        let (last, before) = pieces.split_last().unwrap();
        assert!(before.iter().all(Bytes::is_empty) && *last == complete(), "pieces of {piece}");
    }
}

#[tokio::test]
async fn a_segment_with_its_own_passes_through_as_it_arrives() {
    let media = complete();
    let fetched = with_parameter_sets(answer(Some(media.len()), &media, 700, None), init(), 1 << 20).await;
    assert_eq!(fetched.total, Some(media.len() as u64));
    let pieces: Vec<Bytes> = fetched.body.try_collect().await.unwrap();
    assert_eq!(pieces.len(), media.len().div_ceil(700));
    assert_eq!(pieces.concat(), media);
    let nonsense = b"no media at all";
    assert_eq!(self::pieces(answer(None, nonsense, 4, None)).await.unwrap().concat(), nonsense);
}

#[tokio::test]
async fn of_a_segment_that_breaks_off_nothing_is_given_out() {
    let broken = || Broken("cut".to_owned());
    for reached in [0, 10, BARE.len() - 1] {
        let answer = answer(Some(BARE.len()), &BARE[..reached], 500, Some(broken()));
        assert_eq!(pieces(answer).await, Err(broken()));
    }
    let short = pieces(answer(Some(BARE.len()), &BARE[..BARE.len() - 1], 500, None)).await;
    assert!(short.unwrap_err().0.starts_with("ended at byte"));
}

#[tokio::test]
async fn what_is_larger_than_the_store_takes_is_left_for_it_to_refuse() {
    let known = with_parameter_sets(answer(Some(BARE.len()), BARE, 500, None), init(), 2000).await;
    assert_eq!(known.total, Some(BARE.len() as u64));
    let unknown = with_parameter_sets(answer(None, BARE, 500, None), init(), 2000).await;
    let error = unknown.body.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.0.contains("cache.max_object_bytes"), "{error}");
}
