//! The one structure that every request is: a header of 312 bytes, and what follows it.

use zerocopy::IntoBytes as _;

use super::DmFlags;
use crate::kernel::DevId;

/// `sizeof(struct dm_ioctl)`.
pub(super) const HEADER: usize = 312;
/// No answer is larger: the driver takes no larger buffer.
pub(super) const LARGEST: usize = 1 << 30;
/// What is sent: every driver of version 4 takes it.
const VERSION: [u32; 3] = [4, 0, 0];

const DATA_SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGET_COUNT: usize = 20;
const OPEN_COUNT: usize = 24;
const FLAGS: usize = 28;
const EVENT: usize = 32;
const DEV: usize = 40;
const NAME: (usize, usize) = (48, 128);
const UUID: (usize, usize) = (176, 129);

/// A request, and after the call its answer. Eight-byte words, because the kernel's structures want that alignment.
#[derive(Clone, Debug)]
pub struct DmBuffer(Vec<u64>);

/// A text that does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl DmBuffer {
    /// A request with this payload, and room for an answer of at least `room` bytes in all.
    pub(super) fn new(payload: &[u8], room: usize) -> Self {
        let bytes = (HEADER + payload.len()).max(room).min(LARGEST);
        let mut buffer = Self(vec![0; bytes.div_ceil(8)]);
        for (at, number) in VERSION.into_iter().enumerate() {
            buffer.set(at * 4, number);
        }
        buffer.set(DATA_START, u32::try_from(HEADER).unwrap_or(0));
        buffer.place(HEADER, payload);
        buffer.seal();
        buffer
    }

    /// The same request with room for an answer of at least so many bytes.
    pub(super) fn with_room(&self, room: usize) -> Self {
        let mut words = self.0.clone();
        words.resize(words.len().max(room.min(LARGEST).div_ceil(8)), 0);
        let mut buffer = Self(words);
        buffer.seal();
        buffer
    }

    /// Says how large the buffer is, which is all that the kernel may touch. Before every call.
    pub(in crate::kernel) fn seal(&mut self) {
        let size = u32::try_from(self.0.len() * 8).unwrap_or(0);
        self.set(DATA_SIZE, size);
    }

    /// The whole, for the call.
    pub(in crate::kernel) fn words(&mut self) -> &mut [u64] {
        &mut self.0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Puts the request back in place of its answer.
    pub(super) fn restore(&mut self, request: &[u64]) {
        for (word, was) in self.0.iter_mut().zip(request) {
            *word = *was;
        }
    }

    pub(super) fn as_words(&self) -> &[u64] {
        &self.0
    }

    fn place(&mut self, at: usize, data: &[u8]) {
        if let Some(field) = self.0.as_mut_bytes().get_mut(at..).and_then(|rest| rest.get_mut(..data.len())) {
            field.copy_from_slice(data);
        }
    }

    fn set(&mut self, at: usize, number: u32) {
        self.place(at, &number.to_ne_bytes());
    }

    fn set_text(&mut self, (at, size): (usize, usize), text: &str) -> Result<(), TooLong> {
        if text.len() >= size || text.contains('\0') {
            return Err(TooLong);
        }
        self.place(at, text.as_bytes());
        Ok(())
    }

    pub(super) fn set_name(&mut self, name: &str) -> Result<(), TooLong> {
        self.set_text(NAME, name)
    }

    pub(super) fn set_uuid(&mut self, uuid: &str) -> Result<(), TooLong> {
        self.set_text(UUID, uuid)
    }

    pub(super) fn set_dev(&mut self, dev: DevId) {
        self.place(DEV, &u64::from(dev.encoded().unwrap_or(0)).to_ne_bytes());
    }

    pub(super) fn set_flags(&mut self, flags: DmFlags) {
        self.set(FLAGS, flags.bits());
    }

    pub(super) fn set_event(&mut self, event: u32) {
        self.set(EVENT, event);
    }

    pub(super) fn set_target_count(&mut self, count: u32) {
        self.set(TARGET_COUNT, count);
    }

    /// The header as it is now.
    pub(super) fn header(&self) -> Header {
        Header::parse(self.bytes())
    }

    /// The flags as they are now, without allocating.
    pub(super) fn flags(&self) -> DmFlags {
        DmFlags::from_bits_retain(number(self.bytes(), FLAGS))
    }

    /// What follows the header of an answer; nothing where it says that nothing does.
    pub(super) fn payload(&self) -> &[u8] {
        payload(self.bytes())
    }

    /// Whether a larger buffer would have held more.
    pub(super) fn is_full(&self) -> bool {
        self.flags().contains(DmFlags::BUFFER_FULL)
    }

    /// The version that the kernel answered.
    pub(super) fn version(&self) -> [u32; 3] {
        [0, 4, 8].map(|at| number(self.bytes(), at))
    }
}

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) target_count: u32,
    pub(super) open_count: i32,
    pub(super) flags: DmFlags,
    pub(super) event: u32,
    pub(super) dev: u64,
    pub(super) name: String,
    pub(super) uuid: String,
}

impl Header {
    /// From bytes of any length.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self {
            target_count: number(bytes, TARGET_COUNT),
            open_count: i32::from_ne_bytes(number(bytes, OPEN_COUNT).to_ne_bytes()),
            flags: DmFlags::from_bits_retain(number(bytes, FLAGS)),
            event: number(bytes, EVENT),
            dev: long(bytes, DEV),
            name: field(bytes, NAME),
            uuid: field(bytes, UUID),
        }
    }
}

/// The payload of an answer of any length.
pub(super) fn payload(bytes: &[u8]) -> &[u8] {
    let at = |offset| usize::try_from(number(bytes, offset)).unwrap_or(usize::MAX);
    let end = at(DATA_SIZE).min(bytes.len());
    bytes.get(at(DATA_START)..end).unwrap_or_default()
}

/// Four bytes; 0 where there are none.
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    let field = at.checked_add(4).and_then(|end| bytes.get(at..end));
    field.and_then(|field| field.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

/// Eight bytes; 0 where there are none.
pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    let field = at.checked_add(8).and_then(|end| bytes.get(at..end));
    field.and_then(|field| field.try_into().ok()).map_or(0, u64::from_ne_bytes)
}

/// The text up to its NUL, or to the end of the bytes.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn field(bytes: &[u8], (at, size): (usize, usize)) -> String {
    text(bytes.get(at..at + size).unwrap_or_default())
}
