//! Starts `local-server` on this host, one on each address of a list: the embedded default, for a fleet on one machine.
//!
//! Relays have a process group of their own, log to files, and live on when the manager ends, because viewers play from them.
//! A manager that starts again finds them by their pid files.

use std::{
    fs::{self, File},
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use policy::{
    ServerId,
    fleet::{Inventory, LaunchSpec, Offer},
};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use service::Secret;
use tokio::{
    io::unix::AsyncFd,
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

use super::{
    ProvisionError, Provisioner,
    pidfile::{PidFile, Running},
};

/// What it is told.
#[derive(Debug, Clone)]
pub(crate) struct ProcessSettings {
    /// The program to start.
    pub(crate) program: PathBuf,
    /// Where relays can be, all on one port.
    pub(crate) addresses: Vec<IpAddr>,
    /// The primary's port, which is the fleet's.
    pub(crate) port: u16,
    /// Where relays find the manager.
    pub(crate) manager: SocketAddr,
    /// Further arguments; `{address}` stands for the relay's IP address.
    pub(crate) arguments: Vec<String>,
    /// What relays show when they attach.
    pub(crate) join_secret: Option<Secret>,
    /// Where pid files and logs are.
    pub(crate) folder: PathBuf,
    /// How long a relay may take to end when it is told, before it is killed.
    pub(crate) stop_timeout: Duration,
}

/// The provisioner.
#[derive(Debug)]
pub(crate) struct Process {
    settings: ProcessSettings,
    slots: Vec<(Offer, SocketAddr)>,
    exits: mpsc::Sender<ServerId>,
}

impl Process {
    /// Makes its folder, and says through `exits` which relays end.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn new(settings: ProcessSettings, exits: mpsc::Sender<ServerId>) -> io::Result<Self> {
        fs::create_dir_all(&settings.folder)?;
        let slots = settings.addresses.iter().map(|ip| slot(SocketAddr::new(*ip, settings.port))).collect();
        let process = Self { settings, slots, exits };
        for (offer, _) in &process.slots {
            if let Some(running) = process.pid_file(&offer.id).running() {
                let pid = running.pid.as_raw_nonzero();
                tracing::info!(server = %offer.id, %pid, "found a relay that an earlier manager started");
                process.follow(&offer.id, running);
            }
        }
        Ok(process)
    }

    fn pid_file(&self, id: &ServerId) -> PidFile {
        PidFile::new(&self.settings.folder, id.as_str())
    }

    fn log(&self, id: &ServerId) -> PathBuf {
        self.settings.folder.join(format!("{id}.log"))
    }

    /// The command line that anybody could type.
    fn command(&self, spec: &LaunchSpec, address: SocketAddr, launch_id: &str) -> io::Result<Command> {
        let settings = &self.settings;
        // The log holds the last run only, so that it is bounded by what one relay writes.
        let log = File::create(self.log(&spec.id))?;
        let mut command = Command::new(&settings.program);
        command
            .arg(address.to_string())
            .arg(settings.manager.ip().to_string())
            .arg(settings.manager.port().to_string())
            .args(["--region", spec.region.as_str()])
            .args(["--capacity", &spec.capacity.to_string()])
            .args(["--launch-id", launch_id])
            .args(settings.arguments.iter().map(|word| word.replace("{address}", &address.ip().to_string())))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(false);
        if let Some(secret) = &settings.join_secret {
            command.env("SPILLWAY_JOIN_SECRET", secret.reveal());
        }
        Ok(command)
    }

    fn start(&self, spec: &LaunchSpec, address: SocketAddr) -> io::Result<()> {
        let launch_id = format!("{}-{:08x}", spec.id, rand::random::<u32>());
        let child = self.command(spec, address, &launch_id)?.spawn()?;
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.ok_or_else(|| io::Error::other("it has no process id"))?;
        // Until it is reaped, its pid is nobody else's, even if it has ended already.
        let running = Running::of(pid);
        self.reap(&spec.id, child);
        match running {
            Some(running) => {
                self.pid_file(&spec.id).write(&running).inspect_err(|_| signal(pid, Signal::KILL))
            }
            None => Ok(()),
        }
    }

    /// Says when a child ends; the system keeps it until somebody has asked.
    fn reap(&self, id: &ServerId, mut child: Child) {
        let (id, exits, log) = (id.clone(), self.exits.clone(), self.log(id));
        tokio::spawn(async move {
            match child.wait().await {
                Ok(status) if status.success() => tracing::info!(server = %id, "a relay's process ended"),
                Ok(status) => {
                    let said = last_line(&log);
                    tracing::warn!(server = %id, %status, said, log = %log.display(), "a relay's process failed");
                }
                Err(error) => tracing::error!(server = %id, %error, "cannot wait for a relay's process"),
            }
            let _manager_stops = exits.send(id).await;
        });
    }

    /// Says when a process ends that is none of our children.
    fn follow(&self, id: &ServerId, running: Running) {
        let (id, exits) = (id.clone(), self.exits.clone());
        tokio::spawn(async move {
            if let Err(error) = ended(running).await {
                tracing::warn!(server = %id, %error, "cannot follow a relay's process");
                return;
            }
            let _manager_stops = exits.send(id).await;
        });
    }
}

impl Provisioner for Process {
    async fn launch(&self, spec: &LaunchSpec) -> Result<(), ProvisionError> {
        let Some((_, address)) = self.slots.iter().find(|(offer, _)| offer.id == spec.id) else {
            return Err(ProvisionError(format!("{} is at none of the addresses in [provisioner]", spec.id)));
        };
        if self.pid_file(&spec.id).running().is_some() {
            return Ok(());
        }
        check_free(*address)?;
        self.start(spec, *address).map_err(|error| {
            let program = self.settings.program.display();
            ProvisionError(format!(
                "cannot start {program}: {error}; build it, or name it with program in [provisioner]"
            ))
        })
    }

    async fn terminate(&self, id: &ServerId) -> Result<(), ProvisionError> {
        let Some(running) = self.pid_file(id).running() else { return Ok(()) };
        let patience = self.settings.stop_timeout;
        signal(running.pid, Signal::TERM);
        let mut end = timeout(patience, ended(running)).await;
        if end.is_err() {
            tracing::warn!(server = %id, "a relay did not end in time and is killed");
            signal(running.pid, Signal::KILL);
            end = timeout(patience, ended(running)).await;
        }
        match end {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ProvisionError(error.to_string())),
            Err(_) => {
                Err(ProvisionError(format!("process {} cannot be killed", running.pid.as_raw_nonzero())))
            }
        }
    }

    async fn list(&self) -> Inventory {
        let runs = |offer: &&Offer| self.pid_file(&offer.id).running().is_some();
        let offers = || self.slots.iter().map(|(offer, _)| offer);
        Inventory {
            slots: offers().cloned().collect(),
            running: offers().filter(runs).map(|offer| offer.id.clone()).collect(),
        }
    }
}

fn slot(address: SocketAddr) -> (Offer, SocketAddr) {
    let id = ServerId::of_relay(&address.ip().to_string()).expect("an IP address makes a name");
    let base_url: Arc<str> = format!("http://{address}").into();
    (Offer { id, base_url, region: None }, address)
}

/// Somebody else on the address would make the relay fail later, and say so in its own log only.
fn check_free(address: SocketAddr) -> Result<(), ProvisionError> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(ProvisionError(format!(
            "{address} is in use by another program (one bound to 0.0.0.0:{} takes it on every address): stop it, bind it \
             to one address, or give other addresses in [provisioner]",
            address.port()
        ))),
        Err(error) => Err(ProvisionError(format!("nobody can listen on {address}: {error}"))),
    }
}

/// Done when the process has ended, whoever its parent is.
async fn ended(running: Running) -> io::Result<()> {
    let Ok(pidfd) = pidfd_open(running.pid, PidfdFlags::empty()) else { return Ok(()) };
    // Until the descriptor was opened, another process may have got the pid.
    if !running.is_alive() {
        return Ok(());
    }
    #[expect(
        deprecated,
        reason = "what replaces it is unsafe; an OwnedFd keeps its descriptor, which is all that it asks"
    )]
    let pidfd = AsyncFd::new(pidfd)?;
    pidfd.readable().await.map(drop)
}

fn signal(pid: Pid, signal: Signal) {
    if let Err(error) = kill_process_group(pid, signal) {
        tracing::debug!(pid = %pid.as_raw_nonzero(), %error, "no process to signal");
    }
}

fn last_line(log: &Path) -> String {
    const MOST: usize = 300;
    let text = fs::read_to_string(log).unwrap_or_default();
    text.trim_end().lines().next_back().unwrap_or_default().chars().take(MOST).collect()
}
