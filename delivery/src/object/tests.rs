//! The store against a scripted upstream: one request whatever the crowd, bytes before the end, resumes, limits.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use futures::future::join_all;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::*;

type Piece = Result<Bytes, Broken>;
type Answer = Result<(u64, Option<u64>, mpsc::Receiver<Piece>), FetchError>;

/// An upstream whose answers the test plays out piece by piece.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<u64>>,
    listed: Mutex<Vec<Key>>,
}

impl Script {
    fn answer(&self, offset: u64, total: Option<u64>) -> mpsc::Sender<Piece> {
        let (send, receive) = mpsc::channel(64);
        self.answers.lock().unwrap().push_back(Ok((offset, total, receive)));
        send
    }

    fn refuse(&self, error: FetchError) {
        self.answers.lock().unwrap().push_back(Err(error));
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }
}

impl Fetch for Script {
    async fn fetch(&self, _: &Key, offset: u64) -> Result<Fetched, FetchError> {
        self.asked.lock().unwrap().push(offset);
        let answer = self.answers.lock().unwrap().pop_front().expect("no more requests than answers");
        let (offset, total, pieces) = answer?;
        Ok(Fetched { offset, total, body: Box::pin(tokio_stream::wrappers::ReceiverStream::new(pieces)) })
    }

    fn is_listed(&self, key: &Key) -> bool {
        self.listed.lock().unwrap().contains(key)
    }
}

fn store(config: Config) -> Store<Script> {
    Store::new(Script::default(), config)
}

fn at_once() -> Config {
    Config { resume_pause: Duration::ZERO, failure_ttl: Duration::ZERO, ..Config::default() }
}

fn key(number: u64) -> Key {
    Key::of(&Resource::parse(&format!("/live/v0/{number}.ts")).unwrap())
}

async fn send(to: &mpsc::Sender<Piece>, text: &'static str) {
    to.send(Ok(Bytes::from_static(text.as_bytes()))).await.unwrap();
}

async fn body(object: &Object) -> Result<Bytes, FetchError> {
    object.body().collect().await.map(http_body_util::Collected::to_bytes)
}

#[tokio::test]
async fn two_hundred_readers_of_a_cold_object_are_one_request() {
    let store = store(at_once());
    let upstream = store.source().answer(0, Some(10));
    let key = key(1);
    let readers = (0..200).map(|_| async { body(&store.open(&key).await.unwrap()).await.unwrap() });
    let feeding = async {
        send(&upstream, "01234").await;
        send(&upstream, "56789").await;
        drop(upstream);
    };
    let (read, ()) = tokio::join!(join_all(readers), feeding);
    assert!(read.iter().all(|bytes| bytes == "0123456789"));
    assert_eq!(store.source().asked(), [0]);
    assert_eq!(store.peek(&key).unwrap(), "0123456789");
}

#[tokio::test]
async fn two_hundred_readers_of_an_object_that_fails_are_one_request_and_one_failure() {
    let store = store(Config { failure_ttl: Duration::from_secs(3600), ..at_once() });
    let failure = FetchError::Failed("status 500".into());
    store.source().refuse(failure.clone());
    let key = key(1);
    let answers = join_all((0..200).map(|_| store.open(&key))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap_err() == failure));
    assert_eq!(store.source().asked(), [0]);
}

#[tokio::test]
async fn two_hundred_readers_of_an_object_that_breaks_see_it_whole_and_are_one_resumed_request() {
    let store = store(at_once());
    let first = store.source().answer(0, Some(10));
    let second = store.source().answer(4, Some(10));
    let key = key(1);
    let readers = (0..200).map(|_| async { body(&store.open(&key).await.unwrap()).await.unwrap() });
    let feeding = async {
        send(&first, "0123").await;
        first.send(Err(Broken("reset".into()))).await.unwrap();
        send(&second, "456789").await;
        drop(second);
    };
    let (read, ()) = tokio::join!(join_all(readers), feeding);
    assert!(read.iter().all(|bytes| bytes == "0123456789"));
    assert_eq!(store.source().asked(), [0, 4]);
}

#[tokio::test]
async fn bytes_flow_before_the_object_is_complete() {
    let store = store(at_once());
    let upstream = store.source().answer(0, None);
    send(&upstream, "first").await;
    let object = store.open(&key(1)).await.unwrap();
    let mut reader = object.body();
    let piece = reader.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!((piece.as_ref(), object.bytes(), object.len()), (&b"first"[..], None, None));
    send(&upstream, "last").await;
    drop(upstream);
    assert_eq!(reader.collect().await.unwrap().to_bytes(), "last");
    assert_eq!(object.read().await.unwrap(), "firstlast");
    assert_eq!(object.len(), Some(9));
}

#[tokio::test]
async fn an_upstream_that_ignores_ranges_does_not_repeat_bytes() {
    let store = store(at_once());
    let first = store.source().answer(0, Some(6));
    let second = store.source().answer(0, Some(6));
    send(&first, "012").await;
    drop(first);
    send(&second, "01").await;
    send(&second, "2345").await;
    drop(second);
    assert_eq!(store.open(&key(1)).await.unwrap().read().await.unwrap(), "012345");
    assert_eq!(store.source().asked(), [0, 3]);
}

#[tokio::test]
async fn an_object_that_keeps_breaking_fails_those_who_read_it_and_is_not_kept() {
    let store = store(Config { max_resumes: 1, ..at_once() });
    for _ in 0..2 {
        drop(store.source().answer(0, Some(6)));
    }
    let object = store.open(&key(1)).await.unwrap();
    assert!(matches!(body(&object).await, Err(FetchError::Failed(_))));
    assert_eq!((store.source().asked().len(), store.bytes()), (2, 0));
}

#[tokio::test]
async fn a_failure_is_remembered_for_as_long_as_configured_and_no_longer() {
    let store = store(at_once());
    store.source().refuse(FetchError::Gone);
    assert_eq!(store.open(&key(1)).await.unwrap_err(), FetchError::Gone);
    let upstream = store.source().answer(0, Some(2));
    send(&upstream, "ok").await;
    drop(upstream);
    assert_eq!(store.open(&key(1)).await.unwrap().read().await.unwrap(), "ok");
}

#[tokio::test]
async fn a_range_of_an_arriving_object_and_of_a_complete_one_are_the_same_bytes() {
    let store = store(at_once());
    let upstream = store.source().answer(0, Some(9));
    send(&upstream, "012").await;
    let object = store.open(&key(1)).await.unwrap();
    let arriving = object.range(1, 7);
    assert_eq!(http_body::Body::size_hint(&arriving).exact(), Some(6));
    send(&upstream, "345").await;
    send(&upstream, "678").await;
    assert_eq!(arriving.collect().await.unwrap().to_bytes(), "123456");
    drop(upstream);
    object.read().await.unwrap();
    assert_eq!(object.range(1, 7).collect().await.unwrap().to_bytes(), "123456");
}

#[tokio::test]
async fn the_least_recently_asked_object_makes_room() {
    let store = store(Config { max_bytes: 8, ..at_once() });
    store.insert(&key(1), Bytes::from_static(b"1111"));
    store.insert(&key(2), Bytes::from_static(b"2222"));
    store.open(&key(1)).await.unwrap();
    store.insert(&key(3), Bytes::from_static(b"3333"));
    assert_eq!((store.peek(&key(2)), store.bytes()), (None, 8));
    assert!(store.peek(&key(1)).is_some() && store.peek(&key(3)).is_some());
}

#[tokio::test]
async fn what_is_listed_goes_last() {
    let store = store(Config { max_bytes: 12, ..at_once() });
    *store.source().listed.lock().unwrap() = vec![key(1), key(4)];
    for number in 1..=4 {
        store.insert(&key(number), Bytes::from_static(b"1234"));
    }
    store.open(&key(3)).await.unwrap();
    store.insert(&key(5), Bytes::from_static(b"1234"));
    let here: Vec<u64> = (1..=5).filter(|number| store.peek(&key(*number)).is_some()).collect();
    assert_eq!(here, [1, 4, 5], "unlisted ones go, however lately they were asked for");
    *store.source().listed.lock().unwrap() = vec![key(1), key(4), key(5)];
    store.insert(&key(6), Bytes::from_static(b"1234"));
    assert!(store.peek(&key(6)).is_none(), "nothing else is left to go");
}

#[tokio::test]
async fn questions_for_what_never_was_put_no_object_out() {
    let store = store(Config { max_entries: 4, ..at_once() });
    store.insert(&key(0), Bytes::from_static(b"listed"));
    for number in 1..20 {
        store.source().refuse(FetchError::Gone);
        assert_eq!(store.open(&key(number)).await.unwrap_err(), FetchError::Gone);
    }
    tokio::task::yield_now().await;
    assert!(store.inner.entries.len() <= 4 && store.peek(&key(0)).is_some());
}

#[tokio::test]
async fn entries_are_bounded_too() {
    let store = store(Config { max_entries: 2, ..at_once() });
    for number in 1..=5 {
        store.insert(&key(number), Bytes::from_static(b"x"));
    }
    assert_eq!((store.peek(&key(3)), store.bytes()), (None, 2));
}

#[tokio::test]
async fn an_object_above_its_limit_fails_by_the_name_of_the_limit() {
    let store = store(Config { max_object_bytes: 4, ..at_once() });
    let upstream = store.source().answer(0, None);
    send(&upstream, "12345").await;
    let object = store.open(&key(1)).await;
    let error = match object {
        Ok(object) => object.read().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error, FetchError::TooLarge("cache.max_object_bytes"));
    assert_eq!(store.bytes(), 0);
}

#[tokio::test]
async fn more_objects_on_their_way_than_allowed_are_refused() {
    let store = store(Config { max_filling: 1, ..at_once() });
    let _upstream = store.source().answer(0, None);
    store.prefetch(&key(1)).unwrap();
    assert_eq!(store.prefetch(&key(2)).unwrap_err(), FetchError::Busy);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_stalls_is_asked_again_from_the_byte_reached() {
    let store = store(at_once());
    let stalled = store.source().answer(0, Some(4));
    send(&stalled, "01").await;
    let second = store.source().answer(2, Some(4));
    send(&second, "23").await;
    drop(second);
    assert_eq!(store.open(&key(1)).await.unwrap().read().await.unwrap(), "0123");
    assert_eq!(store.source().asked(), [0, 2]);
}
