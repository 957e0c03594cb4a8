//! A viewer's line as slow as one wants: a network namespace whose only way out is a pair of interfaces that the kernel shapes.
//!
//! Slow reading alone would not do: a whole segment fits into the buffers of a receiver on loopback. The namespace reaches the
//! loopback addresses of one subnet, so the fleet need not leave 127.0.0.0/8. It needs root; without, it says so and panics.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsFd as _,
    path::Path,
    process::{Command, Output},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpStream;

use crate::{network::Subnet, program::Program};

/// A namespace with a slow line; removed when dropped, with its interfaces.
#[derive(Debug)]
pub struct SlowLine {
    name: String,
    /// The end of the line at the fleet.
    outside: String,
}

/// How a line is shaped: by a token bucket (tc-tbf(8)).
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// What it carries.
    pub kbit_per_s: u32,
    /// What it lets through at once after a pause.
    pub burst_kb: u32,
    /// How long a packet waits at most, before it is dropped.
    pub latency_ms: u32,
}

/// Lines that one subnet can have: addresses of a /24, four to a line.
const LINES: u8 = 64;

impl SlowLine {
    /// A line on which `kbit_per_s` come down from the servers of `subnet`; nothing is slow upwards.
    ///
    /// # Panics
    /// When this process may not make one, with the command that failed.
    #[must_use]
    pub fn to(subnet: &Subnet, kbit_per_s: u32) -> Self {
        Self::shaped(subnet, Shape { kbit_per_s, burst_kb: 4, latency_ms: 2000 })
    }

    /// The same for a line that is told more exactly.
    ///
    /// # Panics
    /// When this process may not make one, with the command that failed.
    #[must_use]
    pub fn shaped(subnet: &Subnet, shape: Shape) -> Self {
        let [_, second, third, _] = subnet.host(0).octets();
        // Benchmarks' own addresses (RFC 2544), four to a line.
        Self::over(
            subnet,
            Ipv4Addr::new(198, 18, third, second & !3),
            &format!("slow-{second}-{third}"),
            shape,
        )
    }

    /// One of several lines to the same servers, each of which has one for itself.
    ///
    /// # Panics
    /// When this process may not make one, with the command that failed.
    #[must_use]
    pub fn nth(subnet: &Subnet, nth: u8, shape: Shape) -> Self {
        assert!(nth < LINES, "there are addresses for {LINES} lines");
        let [_, second, third, _] = subnet.host(0).octets();
        Self::over(subnet, Ipv4Addr::new(198, 19, third, nth * 4), &format!("s{second}-{third}-{nth}"), shape)
    }

    /// A line whose two ends have addresses in the four from `network` on.
    fn over(subnet: &Subnet, network: Ipv4Addr, name: &str, shape: Shape) -> Self {
        // Names of interfaces have 15 characters at most.
        let line = Self { outside: format!("{name}o"), name: name.to_owned() };
        let (name, outside, inside) = (&line.name, &line.outside, format!("{}i", line.name));
        let [a, b, c, block] = network.octets();
        let near = Ipv4Addr::new(a, b, c, block + 1);
        let far = Ipv4Addr::new(a, b, c, block + 2);
        run(&format!("ip netns add {name}"));
        run(&format!("ip link add {outside} type veth peer name {inside} netns {name}"));
        run(&format!("ip addr add {near}/30 dev {outside}"));
        run(&format!("ip link set {outside} up"));
        // Browsers load the tests' own pages from their loopback.
        run(&format!("ip -n {name} link set lo up"));
        run(&format!("ip -n {name} addr add {far}/30 dev {inside}"));
        run(&format!("ip -n {name} link set {inside} up"));
        run(&format!("ip -n {name} route add {}/24 via {near}", subnet.host(0)));
        // Whatever this machine's default is: BBR leaves the line to whoever came first, and nothing to those who adapt.
        run(&format!("ip route change {network}/30 dev {outside} src {near} scope link congctl cubic"));
        // Loopback addresses are taken from and sent to these two interfaces only.
        run(&format!("sh -c {}", allow_loopback(outside)));
        run(&format!("ip netns exec {name} sh -c {}", allow_loopback(&inside)));
        let Shape { kbit_per_s, burst_kb, latency_ms } = shape;
        run(&format!(
            "tc qdisc add dev {outside} root tbf rate {kbit_per_s}kbit burst {burst_kb}kb latency {latency_ms}ms"
        ));
        line
    }

    /// A connection to a server from the far end of the line.
    ///
    /// # Panics
    /// When the namespace cannot be entered, or nobody listens there.
    #[must_use]
    pub fn connect(&self, server: SocketAddr) -> TcpStream {
        let namespace = File::open(format!("/run/netns/{}", self.name)).expect("ip netns has put it there");
        let connect = move || {
            // A thread is in one namespace, and what it opens stays there: so this one ends with its work.
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            std::net::TcpStream::connect(server)
        };
        let connected = std::thread::spawn(connect).join().expect("it does not panic");
        let stream = connected.expect("the server accepts");
        stream.set_nonblocking(true).expect("a socket option");
        TcpStream::from_std(stream).expect("a runtime")
    }

    /// Starts `command` at the far end of the line.
    #[must_use]
    pub fn start(&self, name: &str, command: &Command, folder: &Path) -> Program {
        let mut behind = Command::new("ip");
        behind.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        Program::start(name, behind, folder)
    }

    /// Bytes that have come down the line so far, as the kernel counts them behind the shaper.
    ///
    /// # Panics
    /// When the line is gone.
    #[must_use]
    pub fn carried_bytes(&self) -> u64 {
        let path = format!("/sys/class/net/{}/statistics/tx_bytes", self.outside);
        let text = std::fs::read_to_string(path).expect("an interface counts what it sends");
        text.trim().parse().expect("a number")
    }
}

impl Drop for SlowLine {
    fn drop(&mut self) {
        // The interfaces first: a namespace lives for as long as a connection in it does.
        for line in [format!("ip link del {}", self.outside), format!("ip netns del {}", self.name)] {
            let _already_gone = try_run(&line);
        }
    }
}

/// A shell's command without a blank: lines are split there.
fn allow_loopback(interface: &str) -> String {
    format!("echo${{IFS}}1>/proc/sys/net/ipv4/conf/{interface}/route_localnet")
}

fn run(line: &str) {
    let failed = match try_run(line) {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "cannot make a slow line, which needs root, network namespaces and iproute2 (ip, tc with tbf): \
         {line:?} failed: {failed}"
    );
}

fn try_run(line: &str) -> std::io::Result<Output> {
    let mut words = line.split(' ');
    Command::new(words.next().unwrap_or_default()).args(words).output()
}
