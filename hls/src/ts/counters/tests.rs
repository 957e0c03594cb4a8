//! Segments that ffmpeg made (`tests/ladder/make`), and packets made up.

use proptest::prelude::*;

use super::*;

const SEGMENTS: [&[u8]; 3] = [
    include_bytes!("../../../tests/ladder/ts/low-0.ts"),
    include_bytes!("../../../tests/ladder/ts/low-1.ts"),
    include_bytes!("../../../tests/ladder/ts/high-2.ts"),
];

/// What each PID carries, and the flags and clocks of its packets, whatever they are split into.
fn carried(media: &[u8]) -> BTreeMap<u16, (Vec<u8>, Vec<Vec<u8>>)> {
    let mut carried: BTreeMap<u16, (Vec<u8>, Vec<Vec<u8>>)> = BTreeMap::new();
    for packet in packets(media) {
        let packet = packet.unwrap();
        let (payload, clocks) = carried.entry(packet.pid()).or_default();
        payload.extend_from_slice(packet.payload());
        if let Some(flags) = packet.adaptation().first().filter(|flags| **flags != 0) {
            let with_clock = flags & 0x10 != 0;
            clocks.push(packet.adaptation()[..if with_clock { 7 } else { 1 }].to_vec());
        }
    }
    carried
}

fn counters(media: &[u8], pid: u16) -> Vec<u8> {
    let all = packets(media).map(Result::unwrap);
    all.filter(|packet| packet.pid() == pid && packet.has_payload()).map(Packet::counter).collect()
}

#[test]
fn pictures_and_sound_are_counted_from_0_to_15_and_carry_what_they_did() {
    for media in SEGMENTS {
        assert_eq!(is_settled(media), Ok(false));
        let settled = settle(media).unwrap().unwrap();
        for pid in [256, 257] {
            let expected: Vec<u8> =
                (0..16).cycle().take(counters(media, pid).len().next_multiple_of(16)).collect();
            assert_eq!(counters(&settled, pid), expected);
        }
        assert_eq!(carried(&settled), carried(media));
        assert_eq!((settle(&settled), is_settled(&settled)), (Ok(None), Ok(true)));
    }
}

#[test]
fn packets_that_were_lost_are_not_made_up_for() {
    let without = |lost: usize| [&SEGMENTS[0][..lost * LEN], &SEGMENTS[0][(lost + 1) * LEN..]].concat();
    let places: Vec<usize> = packets(SEGMENTS[0])
        .enumerate()
        .filter_map(|(index, packet)| (packet.unwrap().pid() == 256).then_some(index))
        .collect();
    assert!(matches!(settle(&without(places[1])), Err(Refused::Leaps(256, _))));
    assert_eq!(settle(&SEGMENTS[0][..3 * LEN]), Err(Refused::TooFew(256)));
    assert_eq!(settle(b"GET"), Err(Refused::Invalid(InvalidTs::NoPacket(0))));
}

proptest! {
    #[test]
    fn a_packet_is_split_into_any_number_of_others(
        length in 1..=184_usize,
        start: bool,
        clock: bool,
        more in 1..16_usize,
    ) {
        let clock = clock && length <= 176;
        prop_assume!(length > more + if start { KEPT_AT_START } else { 0 });
        let mut packet = vec![0x47, if start { 0x41 } else { 0x01 }, 0, 0x10];
        let payload: Vec<u8> = (0..length).map(|byte| byte.to_le_bytes()[0]).collect();
        if length < 184 {
            packet[3] |= 0x20;
            packet.push(u8::try_from(183 - length).unwrap());
            packet.resize(LEN - length, 0xff);
            if let Some(flags) = packet.get_mut(HEADER + 1).filter(|_| length < 183) {
                *flags = if clock { 0x10 } else { 0 };
            }
        }
        packet.extend_from_slice(&payload);
        let mut split = Vec::new();
        Counted::default().write(Packet::of(&packet).unwrap(), more, &mut split);
        prop_assert_eq!(split.len(), (more + 1) * LEN);
        prop_assert_eq!(&carried(&split), &carried(&packet));
        let starts = packets(&split).filter(|packet| packet.as_ref().unwrap().is_start()).count();
        prop_assert_eq!(starts, usize::from(start));
    }
}
