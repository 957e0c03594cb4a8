//! `client play`: one viewer in the open, who is told over gRPC where to play, and may write what it plays.

mod external;
mod sink;

use std::time::Duration;

use policy::{Class, Region, StreamName};
use service::Shutdown;

use self::sink::Sink;
use crate::{
    args::Target,
    clock::Clock,
    config::Config,
    exit::Failure,
    fetch::{Keep, Shared},
    line::Line,
    managers::TrafficManagers,
    output,
    player::rung::Choice,
    route::{Route, Ticket},
    summary::Summary,
    viewer::{Event, Observer, Viewer},
};

/// Requests that one viewer has under way: one, and one to spare.
const IN_FLIGHT: usize = 2;

/// How long an end may take once it was asked for.
const END: Duration = Duration::from_secs(2);

/// `client play`
#[derive(Debug, clap::Args)]
pub struct PlayArgs {
    /// The stream [default: live]
    pub stream: Option<StreamName>,
    /// The viewer's region; without it the traffic manager finds it by address
    #[arg(long)]
    pub region: Option<Region>,
    /// Write the media to this file, or to standard output (-)
    #[arg(long, short, value_name = "FILE", value_parser = clap::builder::ValueParser::new(target))]
    pub output: Option<Target>,
    /// Open this player with the stream's URL instead: mpv, ffplay, vlc, or a command with arguments
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["output", "json", "rung", "stall_limit"])]
    pub player: Option<String>,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Rung of the ladder: auto, lowest, highest, or a number from 0 [default: auto; with --output: highest]
    #[arg(long)]
    pub rung: Option<Choice>,
    /// End with exit code 6 when the picture stands still for longer than this at one time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub stall_limit: Option<Duration>,
    /// Print a summary as JSON at the end
    #[arg(long)]
    pub json: bool,
}

fn target(text: &str) -> Result<Target, std::convert::Infallible> {
    Ok(Target::from(text))
}

/// Plays until the duration is over, the stream ends, or somebody interrupts.
///
/// # Errors
/// When there is no place to play, the picture stood still for too long, or what was written has gaps.
pub async fn run(config: &Config, args: PlayArgs) -> anyhow::Result<()> {
    let shutdown = Shutdown::default();
    shutdown.on_signals(END)?;
    let mut managers = TrafficManagers::new(config)?;
    let region = args.region.clone().or_else(|| config.region.clone());
    let stream = args.stream.clone().unwrap_or_else(|| config.stream.clone());
    let ticket = Ticket { stream, region, class: Class::Watches };
    if let Some(command) = &args.player {
        return external::run(&mut managers, &ticket, command, args.duration, &shutdown).await;
    }
    let mut screen = Screen::open(args.output.as_ref())?;
    let mut viewer = tokio::select! {
        viewer = join(config, managers, ticket, &args) => viewer?,
        () = shutdown.soft.cancelled() => return Ok(()),
    };
    if args.output.is_some() && viewer.has_audio_apart() {
        output::say("the audio of this stream is a rendition of its own: only the other media is written");
    }
    let ended = tokio::select! {
        ended = viewer.play(&mut screen) => ended,
        () = over(args.duration) => Ok(()),
        () = shutdown.soft.cancelled() => Ok(()),
    };
    let summary = viewer.summary();
    screen.close()?;
    report(&summary, &args)?;
    if !screen.reader_gone {
        ended?;
    }
    judge(&summary, &args)?;
    Ok(())
}

async fn join(
    config: &Config,
    managers: TrafficManagers,
    ticket: Ticket,
    args: &PlayArgs,
) -> anyhow::Result<Viewer> {
    let clock = Clock::start();
    let fetch = Shared::new(config.fetch, IN_FLIGHT).fetch(ticket.headers())?;
    let asked = clock.now();
    let route = Route::join(&ticket, config, managers, &fetch, asked).await?;
    // A recording is of one encoding.
    let choice = args.rung.unwrap_or(if args.output.is_some() { Choice::Highest } else { Choice::Auto });
    let viewer = Viewer::new(ticket, route, fetch, config, choice, clock, asked);
    Ok(viewer.with_stall_limit(args.stall_limit))
}

async fn over(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

fn report(summary: &Summary, args: &PlayArgs) -> std::io::Result<()> {
    if !args.json {
        output::say(&summary.to_string());
        Ok(())
    } else if args.output == Some(Target::Stdout) {
        // Standard output is the media's.
        output::say(&serde_json::to_string(summary)?);
        Ok(())
    } else {
        output::json(summary)
    }
}

/// What was seen and written must be what was asked for.
fn judge(summary: &Summary, args: &PlayArgs) -> Result<(), Failure> {
    let longest = Duration::from_millis(summary.longest_stall_ms);
    if args.stall_limit.is_some_and(|limit| longest > limit) {
        let longest = humantime::format_duration(longest);
        return Err(Failure::Stalled(format!("the picture stood still for {longest}")));
    }
    if args.output.is_some() && summary.gaps > 0 {
        let gaps = summary.gaps;
        return Err(Failure::Failed(format!("what was written lacks {gaps} segments that no server had")));
    }
    Ok(())
}

/// What one sees and keeps of a viewer.
struct Screen {
    line: Line,
    sink: Option<Sink>,
    reader_gone: bool,
}

impl Screen {
    fn open(output: Option<&Target>) -> Result<Self, Failure> {
        let sink = output.map(Sink::open).transpose()?;
        Ok(Self { line: Line::on_standard_error(), sink, reader_gone: false })
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.line.clear();
        match &mut self.sink {
            Some(sink) if !self.reader_gone => sink.finish(),
            _ => Ok(()),
        }
    }
}

impl Observer for Screen {
    fn keep(&self) -> Keep {
        if self.sink.is_some() { Keep::Bytes } else { Keep::Nothing }
    }

    fn observe(&mut self, event: Event<'_>, viewer: &Viewer) -> Result<(), Failure> {
        match event {
            Event::Reloaded => {}
            Event::Tick => self.line.refresh(viewer),
            Event::Moved => self.line.show(viewer),
            Event::Trouble(error) => self.line.trouble(error),
            Event::Media(bytes) => {
                if let Some(sink) = &mut self.sink {
                    sink.write(bytes).inspect_err(|_| self.reader_gone = sink.reader_gone())?;
                }
            }
        }
        Ok(())
    }
}
