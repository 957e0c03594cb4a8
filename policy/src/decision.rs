//! What was decided and why: for the operator, the log and the metrics. Every command has a decision, and some decisions
//! (to hold still, that nothing is in reach) have no command.

mod reason;

use std::{collections::VecDeque, fmt};

pub(crate) use reason::Counted;
pub use reason::Reason;

use crate::{Region, ServerId, Time};

/// Something that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Counts from 1.
    pub sequence: u64,
    /// When.
    pub at: Time,
    /// What.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// About which server.
    pub server: Option<ServerId>,
    /// About which region.
    pub region: Option<Region>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in metrics, JSON and tables.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What was decided.
    Action {
        /// A region passed its threshold.
        Over => "over",
        /// A region is below it again.
        Under => "under",
        /// A relay is to be started.
        Launch => "launch",
        /// A standby relay is to serve.
        Warm => "warm",
        /// A relay takes viewers from now.
        Serve => "serve",
        /// A relay gets nobody new and is emptied.
        Drain => "drain",
        /// A drain is taken back.
        CallBack => "call-back",
        /// An emptied relay may go.
        Retire => "retire",
        /// An emptied relay stands by again.
        StandBy => "stand-by",
        /// A relay is ended by the provisioner.
        Terminate => "terminate",
        /// A launch came to nothing.
        Fail => "fail",
        /// A server attached.
        Attach => "attach",
        /// A server left.
        Detach => "detach",
        /// A server gets nobody new until it is heard again.
        Suspect => "suspect",
        /// A relay is taken for dead, though its viewers still count: they are told to leave, and another may come.
        Vacate => "vacate",
        /// A server's viewers are counted no more.
        Lose => "lost",
        /// Nothing is launched, drained or given up for a while.
        Freeze => "freeze",
        /// The freeze is over.
        Thaw => "thaw",
        /// Launching and draining begin.
        Settle => "settle",
        /// A relay is wanted and none can be had.
        Starve => "starve",
    }
}

/// The newest decisions, bounded.
#[derive(Debug)]
pub(crate) struct Journal {
    kept: VecDeque<Decision>,
    limit: usize,
    written: u64,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), limit, written: 0 }
    }

    /// Adds a decision, in place of the oldest where there are too many.
    pub(crate) fn write(
        &mut self,
        at: Time,
        action: Action,
        reason: Reason,
        server: Option<&ServerId>,
        region: Option<&Region>,
    ) -> Decision {
        self.written += 1;
        let sequence = self.written;
        let decision =
            Decision { sequence, at, action, reason, server: server.cloned(), region: region.cloned() };
        if self.kept.len() >= self.limit {
            self.kept.pop_front();
        }
        self.kept.push_back(decision.clone());
        decision
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.kept.iter()
    }
}
