//! The relay's own metrics, beside those of delivery: where it stands in its life, and whether a manager has it.

use std::sync::Arc;

use delivery::situation::Board;
use metrics::{describe_gauge, gauge};
use policy::Phase;
use service::Latch;
use tokio_util::sync::CancellationToken;

const PHASE: &str = "spillway_phase";
const ATTACHED: &str = "spillway_attached";

/// The phases that a relay itself is in.
const PHASES: [Phase; 4] = [Phase::Standby, Phase::Warming, Phase::Serving, Phase::Draining];

/// Describes them to the recorder: call it once, after the recorder is installed.
pub(crate) fn describe() {
    delivery::metrics::describe();
    describe_gauge!(PHASE, "1 for the phase that this relay is in, 0 for the others");
    describe_gauge!(ATTACHED, "1 while a traffic manager has this relay in its fleet");
}

/// Shows what the board shows, and lets the program be ready once a manager has had it: after that it needs none.
pub(crate) async fn follow(
    board: Arc<Board>,
    attached: Latch,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut changes = board.changes();
    loop {
        show(&board);
        if board.now().attached {
            attached.release();
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = changes.changed() => changed?,
        }
    }
}

fn show(board: &Board) {
    let now = board.now();
    for phase in PHASES {
        gauge!(PHASE, "phase" => phase.as_str()).set(f64::from(u8::from(phase == now.phase)));
    }
    gauge!(ATTACHED).set(f64::from(u8::from(now.attached)));
}
