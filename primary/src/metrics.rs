//! The metrics of the source; what both kinds of server have stands in delivery.

use hls::Rendition;
use metrics::{counter, describe_counter, describe_gauge, gauge};

const SOURCE_HEALTHY: &str = "spillway_source_healthy";
const SOURCE_RESTARTS: &str = "spillway_source_restarts_total";
const RENDITION_ALIGNED: &str = "spillway_rendition_aligned";

/// Describes them to the recorder: call it once, after the recorder is installed.
pub(crate) fn describe() {
    describe_gauge!(SOURCE_HEALTHY, "1 while new segments come from the source as they should, else 0");
    describe_counter!(SOURCE_RESTARTS, "Times the source's encoder began anew, counted for each rendition");
    describe_gauge!(
        RENDITION_ALIGNED,
        "1 while segments of the rendition may stand for those of another one, else 0; the log says why"
    );
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

/// Whether a rendition of the ladder is in a switching set. Renditions are as many as `pull.max_renditions` at most.
pub(crate) fn rendition_aligned(rendition: &Rendition, aligned: bool) {
    gauge!(RENDITION_ALIGNED, "rendition" => rendition.to_string()).set(f64::from(u8::from(aligned)));
}
