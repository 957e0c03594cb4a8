//! What is counted about one server between two steps of the fleet's owner: placements that no report has shown yet and
//! moves that were told and not made yet. Bounded, without a lock, and nothing in it is about one viewer.

/// What is counted about one server between two steps.
#[derive(Debug, Default)]
pub struct Counters {}
