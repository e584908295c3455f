//! Who is told of an event, and how: the acts for each receiver, in the original's order.

use super::{
    document::document,
    event::{ArrayEvent, EventKind, Gravity},
    mime::unaddressed,
    outbox::Mailbox,
    step::AlertStep,
};
use crate::{
    config::{
        alerts::{self, SmtpServer},
        conf::Config,
    },
    model::monitor::Monitored,
};

/// Who is told, and what is said to everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receivers {
    /// A program.
    pub program: Option<String>,
    /// An address for mail.
    pub mail_to: Option<String>,
    /// Whom mail is from.
    pub mail_from: Option<String>,
    /// The system's log.
    pub syslog: bool,
    /// systemd's journal.
    pub journal: bool,
    /// The host's name.
    pub host: String,
    /// Programs and mail learn of events that the original has not.
    pub native: bool,
}

impl Receivers {
    /// These, which a command line names, and what is configured for those that it does not.
    #[must_use]
    pub fn configured(&self, config: &Config) -> Self {
        Self {
            program: self.program.clone().or_else(|| config.program.clone()),
            mail_to: self.mail_to.clone().or_else(|| config.mail_to.clone()),
            mail_from: config.mail_from.clone(),
            ..self.clone()
        }
    }

    /// Who takes letters, by our own file of receivers, and what in it is not used.
    #[must_use]
    pub fn mailboxes(&self, file: Option<&(String, String)>) -> (Vec<Mailbox>, Vec<String>) {
        let Some((path, text)) = file else { return Default::default() };
        let (mut found, odd) = alerts::parse(text);
        let mut said: Vec<String> =
            odd.iter().map(|odd| format!("{path}: {odd}; it is passed over")).collect();
        found.smtp = found.smtp.map(|server| {
            let from = server.from.clone().or_else(|| self.bounces());
            let to = server.to.clone().or_else(|| self.mail_to.clone());
            SmtpServer { from, to, ..server }
        });
        said.extend(found.smtp.as_ref().and_then(unaddressed));
        (Mailbox::all(found), said)
    }

    /// Whether anybody is told at all, besides standard error.
    #[must_use]
    pub fn is_anybody(&self) -> bool {
        self.program.is_some() || self.mail_to.is_some() || self.syslog
    }

    /// A next command as the program is called: under the original's name it is the original's, where that has it.
    #[must_use]
    pub(super) fn next(&self, command: &str) -> String {
        if self.native { command.to_owned() } else { command.replace("mdctl manage ", "mdadm ") }
    }

    /// Whether these receivers, which the original has as well, learn of such an event.
    fn knows(&self, kind: EventKind) -> bool {
        self.native || kind.is_known_to_original()
    }

    /// The acts that tell of an event.
    #[must_use]
    pub fn acts(&self, event: &ArrayEvent, seen: &Monitored) -> Vec<AlertStep> {
        let mut acts = Vec::new();
        if let Some(program) = self.program.as_ref().filter(|_| self.knows(event.kind)) {
            acts.push(AlertStep::Program { program: program.clone(), words: event.words() });
        }
        if self.mail_to.is_some() && event.kind.is_mailed() && self.knows(event.kind) {
            let message = self.mail(event, &seen.mdstat);
            acts.push(AlertStep::Sendmail { from: self.bounces(), message });
        }
        if self.syslog && self.knows(event.kind) {
            acts.push(AlertStep::Syslog { priority: event.kind.gravity().number(), text: event.to_string() });
        }
        if self.journal {
            acts.push(AlertStep::Journal { fields: fields(event) });
        }
        acts
    }

    /// The acts that tell of trouble with a receiver, besides standard error, which may lead nowhere.
    #[must_use]
    pub fn trouble(&self, text: &str) -> Vec<AlertStep> {
        let priority = Gravity::Warning.number();
        let syslog = self.syslog.then(|| AlertStep::Syslog { priority, text: text.to_owned() });
        let journal = self.journal.then(|| {
            let fields = [
                ("MESSAGE", text.to_owned()),
                ("PRIORITY", priority.to_string()),
                ("SYSLOG_IDENTIFIER", "mdctl".to_owned()),
            ];
            AlertStep::Journal { fields: fields.map(|(name, value)| (name.to_owned(), value)).to_vec() }
        });
        syslog.into_iter().chain(journal).collect()
    }

    /// What a mailbox is sent about an event; `None` where it is not told.
    #[must_use]
    pub(super) fn letter(&self, to: &Mailbox, event: &ArrayEvent, seen: &Monitored) -> Option<String> {
        match to {
            Mailbox::Hook(_) => Some(document(event, &self.host, seen.now)),
            Mailbox::Smtp(server) => event.kind.is_mailed().then(|| {
                let from = server.from.clone().or_else(|| self.mail_from.clone());
                let to = server.to.clone().or_else(|| self.mail_to.clone());
                Self { mail_from: from, mail_to: to, ..self.clone() }.mail(event, &seen.mdstat)
            }),
        }
    }

    /// The address in MAILFROM, alone: nothing of it goes through a shell.
    #[must_use]
    pub fn bounces(&self) -> Option<String> {
        let from = self.mail_from.as_deref()?;
        let inner = from.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inner, _)| inner);
        let address = inner.unwrap_or(from).trim();
        let plain = !address.is_empty() && !address.contains(|c: char| c.is_whitespace() || c.is_control());
        plain.then(|| address.to_owned())
    }

    /// A message, with the original's headers and text first.
    #[must_use]
    pub fn mail(&self, event: &ArrayEvent, mdstat: &str) -> String {
        let usual = format!("mdadm monitoring <root@{}>", self.host);
        let from = self.mail_from.as_deref().unwrap_or(&usual);
        let to = self.mail_to.as_deref().unwrap_or("root");
        let subject = format!("{} event on {}:{}", event.kind, event.array, self.host);
        let mut text = String::new();
        for (name, value) in [("From", from), ("To", to), ("Subject", &subject)] {
            text.push_str(&format!("{name}: {}\n", one_line(value)));
        }
        text.push_str("\nThis is an automatically generated mail message.\n");
        text.push_str(&format!("{}\n", one_line(&event.to_string())));
        text.push_str("The /proc/mdstat file currently contains the following:\n\n");
        text.push_str(mdstat);
        if !mdstat.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&about(event).iter().map(|line| format!("\n{}", one_line(line))).collect::<String>());
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

/// What else is known: the disk, what the kernel said, what to do next.
#[must_use]
pub fn about(event: &ArrayEvent) -> Vec<String> {
    let disk = event.disk.as_ref().map(|disk| format!("Disk: {disk}"));
    let cause = event.cause.as_ref().map(|cause| format!("Kernel: {cause}"));
    let next = (!event.next.is_empty()).then(|| format!("Next: {}", event.next));
    [disk, cause, next].into_iter().flatten().collect()
}

/// Names come from disks: none of them begins a header of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The journal's fields.
fn fields(event: &ArrayEvent) -> Vec<(String, String)> {
    let mut fields = vec![
        ("MESSAGE".to_owned(), event.to_string()),
        ("PRIORITY".to_owned(), event.kind.gravity().number().to_string()),
        ("SYSLOG_IDENTIFIER".to_owned(), "mdctl".to_owned()),
        ("MDCTL_EVENT".to_owned(), event.kind.to_string()),
        ("MDCTL_ARRAY".to_owned(), event.array.clone()),
    ];
    let mut add = |name: &str, value: Option<&String>| {
        fields.extend(value.map(|value| (name.to_owned(), value.clone())));
    };
    add("MDCTL_KERNEL_NAME", event.kernel.as_ref());
    add("MDCTL_COMPONENT", event.component.as_ref());
    add("MDCTL_MODEL", event.disk.as_ref().and_then(|disk| disk.model.as_ref()));
    add("MDCTL_SERIAL", event.disk.as_ref().and_then(|disk| disk.serial.as_ref()));
    add("MDCTL_CAUSE", event.cause.as_ref());
    add("MDCTL_NEXT", Some(&event.next).filter(|next| !next.is_empty()));
    fields
}
