//! Cloud Map: who is registered in a service, and what its list shows of it. A registration takes effect a little after its
//! call, and those of one instance in the order of their calls.

use std::net::Ipv4Addr;

use ghostnet_core::id::{InstallationId, InstanceId};
use ghostnet_core::observation::{Registrar, Registration};

use crate::clock::{MINUTE, Millis};

/// One service.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// Every registration that takes effect, has effect, or had it lately.
    entries: Vec<Entry>,
    /// Until when its list cannot be read.
    pub unreadable_until: Millis,
    /// How old the list's answers are, and until when.
    pub stale: (Millis, Millis),
}

/// One registration.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Under which id.
    pub id: InstanceId,
    /// Who registered it, and for whom; none: a person.
    pub by: Option<(InstallationId, Registrar)>,
    /// Where clients are sent.
    pub address: Ipv4Addr,
    /// To which port.
    pub port: Option<u16>,
    /// From when.
    pub since: Millis,
    /// Until when; none: it was not taken out.
    pub until: Option<Millis>,
}

impl Entry {
    fn holds(&self, at: Millis) -> bool {
        self.since <= at && self.until.is_none_or(|until| at < until)
    }
}

impl Service {
    /// Who is registered at a moment.
    pub fn registered(&self, at: Millis) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.holds(at))
    }

    /// Registrations of one instance, also those that are over.
    pub fn of<'a>(&'a self, id: &'a InstanceId) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.id == *id)
    }

    /// What the list shows now.
    #[must_use]
    pub fn list(&self, installation: &InstallationId, now: Millis) -> Vec<Registration> {
        let (age, until) = self.stale;
        let shown_at = if now < until { now - age } else { now };
        let shown = |entry: &Entry| Registration {
            instance: entry.id.clone(),
            by: entry
                .by
                .as_ref()
                .filter(|(of, _)| of == installation)
                .map(|(_, registrar)| registrar.clone()),
            address: Some(entry.address),
            port: entry.port,
        };
        self.registered(shown_at).map(shown).collect()
    }

    /// Registers an instance from `entry.since` on, in place of what is registered under its id.
    pub fn register(&mut self, mut entry: Entry) {
        entry.since = self.after_others(&entry.id, entry.since);
        self.end(&entry.id, entry.since);
        self.entries.push(entry);
    }

    /// Takes an instance out, at that moment or as soon as what was asked before is done.
    pub fn deregister(&mut self, id: &InstanceId, at: Millis) {
        let at = self.after_others(id, at);
        self.end(id, at);
    }

    /// Forgets what is over for long.
    pub fn forget(&mut self, now: Millis) {
        self.entries
            .retain(|entry| entry.until.is_none_or(|until| now - until < 30 * MINUTE));
    }

    /// Operations on one registration follow each other.
    fn after_others(&self, id: &InstanceId, at: Millis) -> Millis {
        let changes = self.of(id).flat_map(|entry| [Some(entry.since), entry.until]);
        changes.flatten().map(|other| other + 1).fold(at, Millis::max)
    }

    fn end(&mut self, id: &InstanceId, at: Millis) {
        for entry in self.entries.iter_mut().filter(|entry| entry.id == *id) {
            entry.until.get_or_insert(at);
        }
    }
}
