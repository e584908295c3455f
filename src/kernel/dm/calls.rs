//! Each request as a function.

use nix::errno::Errno;

use super::{
    Command, Control, DevId, DmBuffer, DmDriverVersion, DmFlags, DmListed, ErrorCause, KernelError, Reported,
    TargetType, Who,
    buffer::{Header, TooLong},
    reply,
};

/// What the header of an answer says of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Its number.
    pub dev: Option<DevId>,
    /// Its name. A rename's answer has the old one.
    pub name: String,
    /// Its UUID; empty where it has none.
    pub uuid: String,
    /// How many have it open.
    pub open: u32,
    /// Rows of the live table.
    pub segments: u32,
    /// Counts its events.
    pub event: u32,
    /// Its state.
    pub flags: DmFlags,
}

impl From<Header> for Info {
    fn from(header: Header) -> Self {
        Self {
            dev: (header.dev != 0).then(|| DevId::from_raw(header.dev)),
            name: header.name,
            uuid: header.uuid,
            open: u32::try_from(header.open_count).unwrap_or(0),
            segments: header.target_count,
            event: header.event,
            flags: header.flags,
        }
    }
}

/// A row to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// Its first sector.
    pub start: u64,
    /// Its sectors.
    pub length: u64,
    /// The target's name.
    pub kind: String,
    /// Its parameters.
    pub params: String,
}

/// How a table is asked about, a device suspended, resumed or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmCallManner {
    /// Flags that go with the request.
    pub flags: DmFlags,
    /// udev's flags and the cookie that is waited for (`flags << 16 | base`); 0 for none.
    pub cookie: u32,
}

impl DmCallManner {
    /// With these flags.
    #[must_use]
    pub fn flags(flags: DmFlags) -> Self {
        Self { flags, cookie: 0 }
    }

    /// With this cookie.
    #[must_use]
    pub fn cookie(self, cookie: u32) -> Self {
        Self { cookie, ..self }
    }
}

/// What `HDIO_GETGEO` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Cylinders, heads, sectors a track, first sector.
    pub numbers: [u64; 4],
}

/// A request about a device.
pub(super) fn request(who: Who<'_>, command: Command, payload: &[u8]) -> Result<DmBuffer, KernelError> {
    let mut buffer = DmBuffer::new(payload, 0);
    let named = match who {
        Who::Name(name) => buffer.set_name(name),
        Who::Uuid(uuid) => buffer.set_uuid(uuid),
        Who::Dev(dev) => {
            buffer.set_dev(dev);
            buffer.set_flags(DmFlags::PERSISTENT_DEV);
            Ok(())
        }
    };
    named.map_err(|TooLong| too_long(&who.shown(), command))?;
    Ok(buffer)
}

pub(super) fn too_long(text: &str, command: Command) -> KernelError {
    let why = "a name has at most 127 bytes, a UUID 128".to_owned();
    KernelError::other(text, command.name(), ErrorCause::Explained(Errno::ENAMETOOLONG, why))
}

fn flags_of(who: Who<'_>) -> DmFlags {
    match who {
        Who::Dev(_) => DmFlags::PERSISTENT_DEV,
        Who::Name(_) | Who::Uuid(_) => DmFlags::empty(),
    }
}

/// ENXIO is "absent" here, not a failure.
fn present<T>(answer: Result<T, KernelError>) -> Result<Option<T>, KernelError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is(Errno::ENXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A table as the driver takes it: each row's `next` leads from it to the one after it.
pub(super) fn table(rows: &[NewRow]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        let length = (reply::SPEC + row.params.len() + 1).next_multiple_of(8);
        let start = bytes.len();
        bytes.extend(row.start.to_ne_bytes());
        bytes.extend(row.length.to_ne_bytes());
        bytes.extend(0_i32.to_ne_bytes());
        bytes.extend(u32::try_from(length).unwrap_or(0).to_ne_bytes());
        let mut kind = [0; 16];
        // A longer one is cut, and no target has the cut name: the driver says so.
        kind.iter_mut().take(15).zip(row.kind.bytes()).for_each(|(to, from)| *to = from);
        bytes.extend(kind);
        bytes.extend(row.params.as_bytes());
        bytes.resize(start + length, 0);
    }
    bytes
}

/// Text as the driver takes it.
pub(super) fn string(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn filled(
    who: Who<'_>,
    command: Command,
    payload: &[u8],
    how: DmCallManner,
) -> Result<DmBuffer, KernelError> {
    let mut buffer = request(who, command, payload)?;
    buffer.set_flags(flags_of(who) | how.flags);
    buffer.set_event(how.cookie);
    Ok(buffer)
}

impl Control {
    /// One call about a device, answered by its header.
    fn about(
        &self,
        who: Who<'_>,
        command: Command,
        payload: &[u8],
        how: DmCallManner,
    ) -> Result<DmBuffer, KernelError> {
        let mut buffer = filled(who, command, payload, how)?;
        self.call(command, &who.shown(), &mut buffer)?;
        Ok(buffer)
    }

    /// The driver's version.
    pub fn version(&self) -> Result<DmDriverVersion, KernelError> {
        if let Some(driver) = self.recorded {
            return Ok(DmDriverVersion(driver.version));
        }
        let mut buffer = DmBuffer::new(&[], 0);
        self.call(Command::Version, "device-mapper", &mut buffer)?;
        Ok(DmDriverVersion(buffer.version()))
    }

    /// A device without a table. `minor`: the number to take; the answer to one that is taken is ENXIO.
    pub fn create(&self, name: &str, uuid: Option<&str>, minor: Option<u32>) -> Result<Info, KernelError> {
        let mut buffer = request(Who::Name(name), Command::Create, &[])?;
        if let Some(uuid) = uuid {
            buffer.set_uuid(uuid).map_err(|TooLong| too_long(uuid, Command::Create))?;
        }
        if let Some(minor) = minor {
            buffer.set_dev(DevId { major: 0, minor });
            buffer.set_flags(DmFlags::PERSISTENT_DEV);
        }
        self.call(Command::Create, name, &mut buffer)?;
        Ok(buffer.header().into())
    }

    /// Puts a table where it waits to become live.
    pub fn load(&self, who: Who<'_>, rows: &[NewRow], flags: DmFlags) -> Result<Info, KernelError> {
        let mut buffer = request(who, Command::Load, &table(rows))?;
        buffer.set_flags(flags_of(who) | flags);
        buffer.set_target_count(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        self.call(Command::Load, &who.shown(), &mut buffer)?;
        Ok(buffer.header().into())
    }

    /// Makes the waiting table live and lets I/O go on.
    pub fn resume(&self, who: Who<'_>, how: DmCallManner) -> Result<Info, KernelError> {
        Ok(self.about(who, Command::Suspend, &[], how)?.header().into())
    }

    /// Holds I/O back.
    pub fn suspend(&self, who: Who<'_>, flags: DmFlags) -> Result<Info, KernelError> {
        let how = DmCallManner::flags(flags | DmFlags::SUSPEND);
        Ok(self.about(who, Command::Suspend, &[], how)?.header().into())
    }

    /// Removes the device.
    pub fn remove(&self, who: Who<'_>, how: DmCallManner) -> Result<Info, KernelError> {
        Ok(self.about(who, Command::Remove, &[], how)?.header().into())
    }

    /// Removes every device of the machine that is not open.
    pub fn remove_all(&self, flags: DmFlags) -> Result<(), KernelError> {
        let mut buffer = DmBuffer::new(&[], 0);
        buffer.set_flags(flags);
        self.call(Command::RemoveAll, "device-mapper", &mut buffer)
    }

    /// Another name.
    pub fn rename(&self, who: Who<'_>, to: &str, how: DmCallManner) -> Result<Info, KernelError> {
        Ok(self.about(who, Command::Rename, &string(to), how)?.header().into())
    }

    /// A UUID, once.
    pub fn set_uuid(&self, who: Who<'_>, uuid: &str, cookie: u32) -> Result<Info, KernelError> {
        let how = DmCallManner { flags: DmFlags::UUID, cookie };
        Ok(self.about(who, Command::Rename, &string(uuid), how)?.header().into())
    }

    /// Drops the waiting table.
    pub fn clear(&self, who: Who<'_>) -> Result<Info, KernelError> {
        Ok(self.about(who, Command::Clear, &[], DmCallManner::default())?.header().into())
    }

    /// The state of a device; `None` where there is none.
    pub fn info(&self, who: Who<'_>, flags: DmFlags) -> Result<Option<Info>, KernelError> {
        if let Some(driver) = self.recorded {
            return Ok(driver.info(who));
        }
        let answer = present(self.about(who, Command::Info, &[], DmCallManner::flags(flags)))?;
        Ok(answer.map(|buffer| buffer.header().into()))
    }

    /// A request whose answer may be of any length.
    fn long(
        &self,
        who: Who<'_>,
        command: Command,
        payload: &[u8],
        how: DmCallManner,
    ) -> Result<DmBuffer, KernelError> {
        self.ask(command, &who.shown(), &filled(who, command, payload, how)?)
    }

    /// The devices that a table leads to; `None` where there is no such device.
    pub fn deps(&self, who: Who<'_>, flags: DmFlags) -> Result<Option<(Info, Vec<DevId>)>, KernelError> {
        if let Some(driver) = self.recorded {
            return Ok(driver.deps(who));
        }
        let answer = present(self.long(who, Command::Deps, &[], DmCallManner::flags(flags)))?;
        Ok(answer.map(|buffer| (buffer.header().into(), reply::deps(buffer.payload()))))
    }

    /// The rows of a table: status, or with [`DmFlags::STATUS_TABLE`] constructor text. `None` where there is no such
    /// device.
    pub fn status(&self, who: Who<'_>, flags: DmFlags) -> Result<Option<(Info, Vec<Reported>)>, KernelError> {
        if let Some(driver) = self.recorded {
            return Ok(driver.status(who, flags));
        }
        let answer = present(self.long(who, Command::Status, &[], DmCallManner::flags(flags)))?;
        Ok(answer.map(|buffer| with_rows(&buffer)))
    }

    /// Blocks until the device's event counter differs from this, then answers like status.
    pub fn wait(
        &self,
        who: Who<'_>,
        event: u32,
        flags: DmFlags,
    ) -> Result<(Info, Vec<Reported>), KernelError> {
        let buffer = self.long(who, Command::Wait, &[], DmCallManner { flags, cookie: event })?;
        Ok(with_rows(&buffer))
    }

    /// All devices whose names, or with `by_uuid` whose UUIDs, begin so; with their UUIDs where the driver sends them.
    pub fn list(&self, by_name: &str, by_uuid: &str) -> Result<Vec<DmListed>, KernelError> {
        if let Some(driver) = self.recorded {
            return Ok(driver.list(by_name, by_uuid));
        }
        let mut buffer = DmBuffer::new(&[], 0);
        let fits = buffer.set_name(by_name).and_then(|()| buffer.set_uuid(by_uuid));
        fits.map_err(|TooLong| too_long(by_name, Command::List))?;
        buffer.set_flags(DmFlags::UUID);
        let answer = self.ask(Command::List, "device-mapper", &buffer)?;
        let with_events = DmDriverVersion(answer.version()) >= DmDriverVersion([4, 37, 0]);
        let mut found = reply::names(answer.payload(), with_events);
        // Older drivers do not filter.
        found.retain(|one| {
            let uuid = one.uuid.as_deref().unwrap_or_default();
            one.name.starts_with(by_name) && (by_uuid.is_empty() || uuid.starts_with(by_uuid))
        });
        Ok(found)
    }

    /// The target types that are loaded.
    pub fn versions(&self) -> Result<Vec<TargetType>, KernelError> {
        if let Some(driver) = self.recorded {
            return Ok(driver.targets.clone());
        }
        let answer = self.ask(Command::Versions, "device-mapper", &DmBuffer::new(&[], 0))?;
        Ok(reply::versions(answer.payload()))
    }

    /// One target type, loading its module; `None` where there is none.
    pub fn target_version(&self, target: &str) -> Result<Option<TargetType>, KernelError> {
        if let Some(driver) = self.recorded {
            return Ok(driver.targets.iter().find(|known| known.name == target).cloned());
        }
        let request = request(Who::Name(target), Command::TargetVersion, &[])?;
        match self.ask(Command::TargetVersion, target, &request) {
            Ok(answer) => Ok(reply::versions(answer.payload()).into_iter().next()),
            Err(error) if error.is(Errno::EINVAL) && !matches!(error.cause, ErrorCause::Explained(..)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Says something to the target at a sector; its answer, where it has one.
    pub fn message(&self, who: Who<'_>, sector: u64, text: &str) -> Result<Option<String>, KernelError> {
        let mut payload = sector.to_ne_bytes().to_vec();
        payload.extend(string(text));
        let buffer = self.long(who, Command::Message, &payload, DmCallManner::default())?;
        let answers = buffer.flags().contains(DmFlags::DATA_OUT);
        Ok(answers.then(|| super::buffer::text(buffer.payload())))
    }

    /// What `HDIO_GETGEO` shall answer.
    pub fn set_geometry(&self, who: Who<'_>, geometry: Geometry) -> Result<(), KernelError> {
        let [cylinders, heads, sectors, start] = geometry.numbers;
        let text = string(&format!("{cylinders} {heads} {sectors} {start}"));
        self.about(who, Command::SetGeometry, &text, DmCallManner::default()).map(drop)
    }

    /// From now on the next event of any device makes the control node readable.
    pub fn arm_poll(&self) -> Result<(), KernelError> {
        self.call(Command::ArmPoll, "device-mapper", &mut DmBuffer::new(&[], 0))
    }
}

fn with_rows(buffer: &DmBuffer) -> (Info, Vec<Reported>) {
    let header = buffer.header();
    let rows = reply::rows(buffer.payload(), header.target_count);
    (header.into(), rows)
}
