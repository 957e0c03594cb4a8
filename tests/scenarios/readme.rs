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
