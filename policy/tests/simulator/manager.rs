//! What passes between the manager and everybody else: observations in, commands out, and an audit after each.

use std::time::Duration;

use policy::{Command, Directive, Observation, Phase, ServerId, audit, fleet::LaunchSpec, routing::Kind};

use super::{Event, LAUNCH, Launch, SimServer, WARM, World};

impl World {
    /// Tells the manager, carries out what it says, and audits.
    pub fn tell(&mut self, observation: Observation) {
        let Some(fleet) = &mut self.fleet else { return };
        let said = format!("{observation:?}");
        fleet.observe(observation, self.now).unwrap_or_else(|refused| panic!("{said}: {refused}"));
        let commands: Vec<Command> = std::iter::from_fn(|| fleet.next_command()).collect();
        let broken = audit(fleet);
        assert!(broken.is_empty(), "after {said}: {broken:?}");
        for command in commands {
            self.carry_out(command);
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Launch(LaunchSpec { id, base_url, region, capacity }) => {
                self.soon(LAUNCH, Event::Launched(Launch { id: id.clone(), base_url, region, capacity }));
                self.tell(Observation::LaunchStarted { server: id });
            }
            Command::Terminate { server } => {
                if self.servers.get(&server).is_some_and(|server| server.launched) {
                    self.servers.remove(&server);
                }
                self.soon(Duration::from_millis(20), Event::Exited(server));
            }
            Command::Direct { server, attachment, directive } => self.follow(&server, attachment, &directive),
            Command::Forward { server, attachment, sessions } => {
                let current =
                    self.servers.get_mut(&server).filter(|server| server.attachment == Some(attachment));
                if let Some(server) = current {
                    server.forget_moved(&sessions);
                }
            }
            Command::Close { server, .. } => panic!("{server} has the port of all others"),
            Command::Record(decision) => self.decisions.push(decision),
        }
    }

    fn follow(&mut self, id: &ServerId, attachment: u64, directive: &Directive) {
        let current = self.servers.get_mut(id).filter(|server| server.attachment == Some(attachment));
        let Some(server) = current else { return };
        let (before, incarnation) = (server.phase, server.incarnation);
        server.obey(directive);
        match (before, directive.content.phase) {
            (Phase::Standby, Phase::Serving) => {
                self.soon(WARM, Event::Warmed { server: id.clone(), incarnation });
            }
            (Phase::Draining, Phase::Standby) => self.start_over(id),
            (_, Phase::Retired) => {
                let launched = server.launched;
                self.servers.remove(id);
                self.tell(Observation::Goodbye { server: id.clone(), attachment });
                if launched {
                    self.soon(Duration::from_millis(50), Event::Exited(id.clone()));
                }
            }
            _ => {}
        }
    }

    /// An operator's relay takes its leave and comes back as another.
    fn start_over(&mut self, id: &ServerId) {
        let Some(old) = self.servers.remove(id) else { return };
        let mut new = SimServer::new(old.id.clone(), Kind::Relay, &old.host, old.capacity);
        new.incarnation = old.incarnation + 1;
        new.region = old.region.clone();
        self.add_server(new);
        if let Some(attachment) = old.attachment {
            self.tell(Observation::Goodbye { server: id.clone(), attachment });
        }
    }

    pub(super) fn report(&mut self, id: &ServerId, incarnation: u64) {
        let now = self.now;
        let current = self.servers.get_mut(id).filter(|server| server.incarnation == incarnation);
        let Some(server) = current else { return };
        let report = server.report(now);
        let attachment = server.attachment;
        self.soon(Duration::from_secs(1), Event::Report { server: id.clone(), incarnation });
        if let Some(attachment) = attachment {
            self.tell(Observation::Reported { server: id.clone(), attachment, report });
        }
    }

    pub(super) fn attach(&mut self, id: &ServerId, incarnation: u64) {
        if self.fleet.is_none() {
            return;
        }
        self.attachments += 1;
        let number = self.attachments;
        let current = self.servers.get_mut(id).filter(|server| server.incarnation == incarnation);
        let Some(server) = current.filter(|server| server.attachment.is_none() && !server.mute) else {
            return;
        };
        server.attachment = Some(number);
        let hello = server.hello(number);
        self.tell(Observation::Attached(hello));
    }
}
