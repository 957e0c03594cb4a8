//! The metrics of the source; what both kinds of server have stands in delivery.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const SOURCE_HEALTHY: &str = "spillway_source_healthy";
const SOURCE_RESTARTS: &str = "spillway_source_restarts_total";

/// Describes them to the recorder: call it once, after the recorder is installed.
pub(crate) fn describe() {
    describe_gauge!(SOURCE_HEALTHY, "1 while new segments come from the source as they should, else 0");
    describe_counter!(SOURCE_RESTARTS, "Times the source's encoder began anew, counted for each rendition");
    gauge!(SOURCE_HEALTHY).set(0.0);
    counter!(SOURCE_RESTARTS).absolute(0);
}

/// Whether new segments come as they should.
pub(crate) fn source_healthy(healthy: bool) {
    gauge!(SOURCE_HEALTHY).set(f64::from(u8::from(healthy)));
}

/// The source's encoder began its numbers anew.
pub(crate) fn source_restarted() {
    counter!(SOURCE_RESTARTS).increment(1);
}
