//! The README held true: the usage of the four programs is what they print, every command in it runs, in its order, and the
//! sample configs are what the programs print.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tests::{
    Program,
    alone::{Alone, alone},
    eventually,
    repository::{binary, root},
};

const PROGRAMS: [&str; 4] = ["primary", "traffic-manager", "local-server", "client"];

/// How long a command of the README may take.
const TAKES: Duration = Duration::from_secs(120);

/// What runs until it is told to stop.
const GOES_ON: [&str; 3] = ["primary ", "traffic-manager ", "local-server "];

/// What the test has done already: the programs are built.
const DONE: [&str; 2] = ["cargo build ", "export PATH="];

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// Commands of the blocks that are marked as shell.
fn commands(readme: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside => commands.push(command.to_owned()),
            _ => {}
        }
    }
    commands
}

fn printed(program: &str, flag: &str) -> String {
    let mut command = Command::new(binary(program));
    command.arg(flag).stdin(Stdio::null()).env_clear();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program} {flag}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn usage_is_what_the_programs_print() {
    let readme = readme();
    for program in PROGRAMS {
        let help = printed(program, "--help");
        let block = format!("### {program}\n\n```text\n{}\n```\n", help.trim_end());
        assert!(readme.contains(&block), "README's usage of {program} is not what it prints:\n{help}");
    }
}

#[test]
fn sample_configs_are_what_the_programs_print() {
    for program in PROGRAMS {
        let path = root().join("deploy/config").join(format!("{program}.toml"));
        let sample = std::fs::read_to_string(&path).unwrap();
        assert_eq!(sample, printed(program, "--print-config"), "{} differs", path.display());
    }
}

#[tokio::test]
async fn every_command_runs_in_the_order_of_the_readme() {
    let commands = commands(&readme());
    assert!(commands.len() > 10, "{commands:?}");
    let alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut going_on = Vec::new();
    for command in commands.iter().filter(|command| !DONE.iter().any(|done| command.starts_with(done))) {
        if command.starts_with("deploy/demo") {
            continue; // in scenarios/demo.rs, with addresses of its own
        }
        let mut program = alone.start(command, folder.path());
        if GOES_ON.iter().any(|name| command.starts_with(name)) {
            ready(&alone, command, &mut program, folder.path()).await;
            going_on.push(program);
        } else {
            let status = program.ends_within(TAKES).await;
            assert!(status.success(), "{command}: {status}: {}", program.log());
        }
    }
    for program in &mut going_on {
        assert!(program.ended().is_none(), "ended by itself: {}", program.log());
    }
}

/// The block of the README that begins so, after its fence.
fn block(readme: &str, begins: &str) -> String {
    let start =
        readme.find(begins).unwrap_or_else(|| panic!("the README has no block that begins with {begins}"));
    readme[start..].split("\n```").next().unwrap().to_owned()
}

/// What a program makes of a configuration that the README shows.
fn taken(program: &str, shown: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shown.toml");
    let whole: Vec<String> = shown.iter().map(|begins| block(&readme(), begins)).collect();
    std::fs::write(&file, whole.join("\n")).unwrap();
    let mut command = Command::new(binary(program));
    let output = command.arg("--config").arg(&file).arg("--print-config").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_configuration_that_the_readme_shows_is_taken() {
    let shown = ["primary = \"http://", "[region_map]\ndatabase", "[http]\ntrusted_proxies"];
    assert!(taken("traffic-manager", &shown).contains("[regions.eu]"));
    for server in ["primary", "local-server"] {
        assert!(taken(server, &["[http.pacing]"]).contains("\"10.0.0.0/24\""));
    }
}

#[tokio::test]
async fn the_encoder_that_the_readme_shows_makes_a_ladder() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    std::fs::create_dir(&live).unwrap();
    // The reader's input and web server are a test picture and a folder here.
    let command = block(&readme(), "ffmpeg -re -i your-input")
        .replace("-i your-input", "-f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine")
        .replace("-map 0:a", "-map 1:a")
        .replace("/srv/www/live", live.to_str().unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {command} -nostdin")]);
    let mut ffmpeg = Program::start("ffmpeg", shell, folder.path());
    let master = live.join("master.m3u8");
    eventually("there is a playlist of two rungs", TAKES, async || {
        if let Some(status) = ffmpeg.ended() {
            return Err(format!("{status}: {}", ffmpeg.log()));
        }
        let text = std::fs::read_to_string(&master).unwrap_or_default();
        if text.matches("#EXT-X-STREAM-INF").count() == 2 { Ok(()) } else { Err(text) }
    })
    .await;
    ffmpeg.kill();
}

#[tokio::test]
async fn the_hosts_that_the_readme_shows_find_each_other_by_the_secret_that_they_share() {
    let alone = alone();
    let folder = tempfile::tempdir().unwrap();
    for address in ["192.0.2.10", "198.51.100.7"] {
        let added = alone.start(&format!("ip addr add {address}/32 dev lo"), folder.path()).end().await;
        assert!(added.success(), "{address}");
    }
    let block = block(&readme(), "export SPILLWAY_JOIN_SECRET=");
    let mut hosts = Vec::new();
    for line in block.lines().skip(1) {
        // Nobody is at the source that stands for the reader's: the test card is.
        let line = line.replace(" https://origin.example/live/master.m3u8", "");
        hosts.push(alone.start(&format!("env SPILLWAY_JOIN_SECRET=of-the-readme {line}"), folder.path()));
    }
    assert_eq!(hosts.len(), 3, "{block}");
    eventually("the relay stands by in the fleet", TAKES, async || {
        let mut ask = alone.start("client 192.0.2.10 7000 servers", folder.path());
        let _not_yet = ask.ends_within(TAKES).await;
        if ask.log().contains("relay-198-51-100-7") { Ok(()) } else { Err(hosts[0].log()) }
    })
    .await;
}

/// Waits until a program that goes on is ready, as its admin port says.
async fn ready(alone: &Alone, command: &str, program: &mut Program, folder: &Path) {
    let address = match command.split(' ').next().unwrap() {
        "traffic-manager" => "127.0.0.1:9100",
        "primary" => "127.0.0.1:9101",
        _ => "127.0.0.2:9102",
    };
    eventually(command, TAKES, async || {
        if let Some(status) = program.ended() {
            return Err(format!("{status}: {}", program.log()));
        }
        let mut ask = alone.start(&format!("curl -sf http://{address}/ready"), folder);
        if ask.ends_within(TAKES).await.success() {
            Ok(())
        } else {
            Err(format!("not ready: {}", program.log()))
        }
    })
    .await;
}
