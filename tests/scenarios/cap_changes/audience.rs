//! Everybody who watches: three engines in one browser, ffmpeg that decodes, mpv, and ffmpeg that looks at packets alone.

use std::time::Duration;

use tests::{
    Player, Program, eventually,
    packets::Copy,
    pages::{self, Visit},
    player::Playing,
    wait::unix_ms,
};

use crate::{
    stage::Stage,
    verdict::{Row, Verdict},
};

/// Engines in the browser.
const ENGINES: [Player; 3] = [Player::HlsJs, Player::Shaka, Player::Native];

/// Programs that decode.
const PROGRAMS: [Player; 2] = [Player::Ffmpeg, Player::Mpv];

/// As how many they count.
pub(crate) const VIEWERS: u32 = 6;

/// More than any run takes.
const WHOLE_RUN: Duration = Duration::from_secs(3600);

/// How long they may take to be there, started again and again.
const SETTLES: Duration = Duration::from_secs(150);

/// Players that play.
pub(crate) struct Audience {
    browser: Program,
    programs: Vec<(Player, Playing)>,
    copy: Copy,
    /// When all had settled, in milliseconds since the Unix epoch.
    since: u64,
}

impl Audience {
    /// Everybody comes, and is counted.
    pub(crate) async fn enter(stage: &Stage) -> Self {
        let fleet = &stage.fleet;
        let visits = ENGINES.map(|player| Visit { player, from: 0, to: WHOLE_RUN.as_secs() });
        let browser = Program::start("browser", pages::command(fleet, &visits), &fleet.file(""));
        let programs = PROGRAMS.map(|player| (player, player.start(fleet, WHOLE_RUN))).into();
        let audience = Self { browser, programs, copy: Copy::start(fleet), since: 0 };
        eventually("every page plays", SETTLES, async || match pages::settled(&audience.browser) {
            settled if settled == ENGINES.len() => Ok(()),
            settled => Err(format!("{settled} do: {}", audience.browser.log())),
        })
        .await;
        // Pages that were started again are counted until their former selves are forgotten.
        fleet.until("everybody is counted once", SETTLES, |status| status.viewers == stage.viewers()).await;
        Self { since: unix_ms(), ..audience }
    }

    /// Everybody leaves, and says what was to be seen.
    pub(crate) async fn leave(mut self) -> Verdict {
        let since = self.since;
        let copied = self.copy.stop().await;
        let mut rows = Vec::new();
        for (player, playing) in self.programs {
            rows.push(Row { player, since, summary: playing.stop().await });
        }
        self.browser.stop().await;
        let mut summaries = pages::summaries(&self.browser);
        let of_engine = |player: &Player| {
            Some(Row { player: *player, since, summary: summaries.remove(player.as_str())? })
        };
        rows.extend(ENGINES.iter().filter_map(of_engine));
        assert_eq!(rows.len() + 1, VIEWERS as usize, "somebody says nothing: {}", self.browser.log());
        Verdict { rows, copied }
    }
}
