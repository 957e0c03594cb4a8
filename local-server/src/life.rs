//! A relay's own side of its life: which step follows from what the manager wants and from what is so here.
//!
//! ```text
//! wanted      at Standby  at Warming           at Serving         at Draining
//! Standby     ·           → Standby            stands by anew     stands by anew
//! Warming     → Warming   ·                    ·                  ·
//! Serving     → Warming   → Serving when warm  ·                  → Serving (called back)
//! Draining    ·           → Draining           → Draining         ·
//! Retired     as Standby; but one that a provisioner started exits, wherever it is
//! ```
//!
//! When a drain is over is the manager's to say: it alone knows whether
//! somebody is still on the way here. Refusing and serving viewers in each phase is the HTTP side's.

use policy::Phase;

/// What a relay does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it is where it should be, or waits until it is warm.
    Stay,
    /// Goes over to another phase.
    Enter(Phase),
    /// Its work is done: it leaves the fleet and comes back as one that has not served yet.
    StandByAnew,
    /// Its work is done, and so is the process.
    Exit,
}

/// The step that follows at `phase` when the manager wants `wanted`. `launched`: a provisioner started this process.
pub(crate) fn step(phase: Phase, wanted: Phase, warm: bool, launched: bool) -> Step {
    match (wanted, phase) {
        (Phase::Retired, _) if launched => Step::Exit,
        (Phase::Retired | Phase::Standby, Phase::Serving | Phase::Draining) => Step::StandByAnew,
        (Phase::Retired | Phase::Standby, Phase::Warming) => Step::Enter(Phase::Standby),
        (Phase::Warming | Phase::Serving, Phase::Standby) => Step::Enter(Phase::Warming),
        (Phase::Serving, Phase::Warming) if warm => Step::Enter(Phase::Serving),
        (Phase::Serving, Phase::Draining) => Step::Enter(Phase::Serving),
        (Phase::Draining, Phase::Warming | Phase::Serving) => Step::Enter(Phase::Draining),
        _ => Step::Stay,
    }
}

#[cfg(test)]
mod tests {
    use Phase::{Draining, Retired, Serving, Standby, Warming};
    use Step::{Enter, Exit, StandByAnew, Stay};

    use super::*;

    #[test]
    fn each_wish_leads_to_its_step() {
        for (wanted, at_standby, at_warming, at_serving, at_draining) in [
            (Standby, Stay, Enter(Standby), StandByAnew, StandByAnew),
            (Warming, Enter(Warming), Stay, Stay, Stay),
            (Serving, Enter(Warming), Stay, Stay, Enter(Serving)),
            (Draining, Stay, Enter(Draining), Enter(Draining), Stay),
            (Retired, Stay, Enter(Standby), StandByAnew, StandByAnew),
        ] {
            for (phase, expected) in
                [(Standby, at_standby), (Warming, at_warming), (Serving, at_serving), (Draining, at_draining)]
            {
                assert_eq!(step(phase, wanted, false, false), expected, "{phase}, {wanted} wanted");
            }
        }
    }

    #[test]
    fn it_serves_only_when_it_is_warm() {
        assert_eq!(step(Warming, Serving, false, false), Stay);
        assert_eq!(step(Warming, Serving, true, false), Enter(Serving));
        assert_eq!(step(Warming, Warming, true, false), Stay);
    }

    #[test]
    fn one_that_was_launched_exits_when_it_is_retired_wherever_it_is() {
        for phase in [Standby, Warming, Serving, Draining] {
            assert_eq!(step(phase, Retired, true, true), Exit);
        }
    }

    #[test]
    fn following_one_wish_ends_in_a_phase_where_it_stays() {
        for wanted in [Standby, Warming, Serving, Draining, Retired] {
            let mut phase = Standby;
            for _ in 0..4 {
                phase = match step(phase, wanted, true, false) {
                    Enter(next) => next,
                    StandByAnew => Standby,
                    Stay | Exit => phase,
                };
            }
            assert_eq!(step(phase, wanted, true, false), Stay, "{wanted} wanted, at {phase}");
        }
    }
}
