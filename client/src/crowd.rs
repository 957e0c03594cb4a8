//! `client crowd`: many viewers who fetch everything that players would, keep real buffers, and go where they are sent.
//!
//! What it reports is what viewers would see, and what its log holds is the truth that a census is measured against.

mod log;
mod member;
mod plan;
mod presence;
mod report;
mod shares;

use std::{num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use policy::{Class, Region, StreamName};
use serde::{Deserialize, Serialize};
use service::Shutdown;
use tokio::task::JoinSet;

use self::{
    member::{Crowd, Outcome},
    plan::Rate,
    presence::Presence,
    report::Report,
    shares::Share,
};
use crate::{
    clock::Clock, config::Config, exit::Failure, fetch::Shared, output, player::rung::Choice, route::Ticket,
};

/// How long an end may take once it was asked for: every viewer leaves at once.
const END: Duration = Duration::from_secs(5);

/// How often the progress bar is redrawn.
const REDRAW: Duration = Duration::from_millis(500);

/// Limits of a crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrowdConfig {
    /// Most viewers of one crowd.
    pub viewers: u32,
    /// Most requests under way at one time.
    pub in_flight: usize,
    /// Most samples of viewers per server that a report holds; a longer crowd is sampled more rarely.
    pub samples: usize,
}

impl Default for CrowdConfig {
    /// Ten thousand viewers need three descriptors each; more requests than a thousand at one time measure this machine, not
    /// the servers; an hour of samples every second.
    fn default() -> Self {
        Self { viewers: 10_000, in_flight: 1000, samples: 3600 }
    }
}

/// `client crowd`
#[derive(Debug, clap::Args)]
pub struct CrowdArgs {
    /// The stream [default: live]
    pub stream: Option<StreamName>,
    /// How many viewers
    #[arg(long, default_value = "300")]
    pub viewers: NonZeroU32,
    /// How fast they arrive, such as 20/s or 90/m
    #[arg(long, default_value = "20/s")]
    pub rate: Rate,
    /// A region and its weight, such as eu=200; once for each region. Without it the traffic manager finds the region
    #[arg(long, value_name = "REGION[=WEIGHT]")]
    pub region: Vec<Share<Region>>,
    /// When the viewers begin to leave, counted from the crowd's start
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// Over how long they leave, from then on
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub ramp_down: Duration,
    /// Rung of the ladder: auto, lowest, highest, or a number from 0
    #[arg(long, default_value = "lowest")]
    pub rung: Choice,
    /// What their players can do, with weights: steers, redirects, fixed, watches
    #[arg(
        long,
        value_name = "CLASS=WEIGHT,…",
        value_delimiter = ',',
        default_value = "steers=8,redirects=1,watches=1"
    )]
    pub mix: Vec<Share<Class>>,
    /// Draws the same crowd again
    #[arg(long, default_value = "1")]
    pub seed: u64,
    /// Write the report as JSON to this file, or to standard output (-) instead of the table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a line of JSON for every start, reload of a media playlist, stall, and stop of a viewer to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Sends the crowd, and reports when all have left.
///
/// # Errors
/// When nobody can watch at all, somebody stalled, was refused, or met errors.
pub async fn run(config: &Config, args: CrowdArgs) -> anyhow::Result<()> {
    let viewers = args.viewers.get();
    if viewers > config.crowd.viewers {
        let most = config.crowd.viewers;
        return Err(
            Failure::Usage(format!("{viewers} viewers are more than crowd.viewers = {most} allows")).into()
        );
    }
    let shutdown = Shutdown::default();
    shutdown.on_signals(END)?;
    let crowd = Arc::new(Crowd {
        config: config.clone(),
        shared: Shared::new(config.fetch, config.crowd.in_flight),
        choice: args.rung,
        clock: Clock::start(),
        log: args.log.as_deref().map(log::Log::create).transpose()?,
        presence: Presence::new(config.crowd.samples),
        leave: shutdown.soft.clone(),
    });
    let outcomes = send(&crowd, &args, config).await?;
    let report = Report::new(args.seed, &outcomes, crowd.presence.samples());
    match &args.json {
        Some(path) if path.as_os_str() == "-" => output::json(&report)?,
        Some(path) => {
            std::fs::write(path, serde_json::to_string_pretty(&report)?)
                .map_err(|error| Failure::Usage(format!("cannot write {}: {error}", path.display())))?;
            output::answer(&report.table())?;
        }
        None => output::answer(&report.table())?,
    }
    Ok(report.judge()?)
}

/// Lets all of them live their lives.
async fn send(crowd: &Arc<Crowd>, args: &CrowdArgs, config: &Config) -> Result<Vec<Outcome>, Failure> {
    let stream = args.stream.clone().unwrap_or_else(|| config.stream.clone());
    let mut members = JoinSet::new();
    for member in plan::plan(args) {
        let region = member.region.clone().or_else(|| config.region.clone());
        let ticket = Ticket { stream: stream.clone(), region, class: member.class };
        members.spawn(member::live(Arc::clone(crowd), member, ticket));
    }
    let bar = progress(args.duration + args.ramp_down);
    let mut redraw = tokio::time::interval(REDRAW);
    let (mut outcomes, mut pointless) = (Vec::with_capacity(members.len()), None);
    loop {
        tokio::select! {
            ended = members.join_next() => match ended {
                Some(Ok(Some(Err(failure)))) if is_everybodys(&failure) => {
                    crowd.leave.cancel();
                    pointless.get_or_insert(failure);
                }
                Some(Ok(Some(outcome))) => outcomes.push(outcome),
                Some(Ok(None)) => {}
                Some(Err(crash)) => return Err(Failure::Failed(format!("a viewer crashed: {crash}"))),
                None => break,
            },
            _ = redraw.tick() => {
                crowd.presence.sample(crowd.clock.now());
                bar.set_position(crowd.clock.now().as_millis() / 1000);
                bar.set_message(crowd.presence.to_string());
            }
        }
    }
    bar.finish_and_clear();
    pointless.map_or(Ok(outcomes), Err)
}

/// Whether the others would fail in the same way.
fn is_everybodys(failure: &Failure) -> bool {
    matches!(failure.deciding(), Failure::Usage(_) | Failure::UnknownStream(_) | Failure::Unreachable { .. })
}

fn progress(length: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length.as_secs().max(1)).with_style(style)
}
