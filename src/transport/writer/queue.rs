//! The frames that wait to be written, and what they count against the bounds.

use std::collections::VecDeque;

use super::super::half::{Out, PIECE};

/// Cost of a frame of the reader besides its bytes. Without this cost, pongs without a payload would be free.
const FRAME_COST: usize = 32;

/// A frame, or a piece of several frames of the reader.
struct Item {
    /// The ID of a request. `None` for acknowledgements, pings, pongs and closes.
    id: Option<u128>,
    out: Out,
}

impl Item {
    fn bytes(&self) -> usize {
        let bytes = match &self.out {
            Out::Text(text) => text.len(),
            Out::Pong(bytes) => bytes.len(),
            Out::Frames(bytes) => bytes.len(),
            Out::Close(_) => 0,
        };
        if self.id.is_some() { bytes } else { bytes + FRAME_COST }
    }
}

/// The frames that wait to be written, in order, with their counts.
#[derive(Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    requests: usize,
    request_bytes: usize,
    /// Bytes of everything that is no request.
    control_bytes: usize,
    /// An empty buffer for the next piece of the reader's frames.
    spare: Vec<u8>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Number of requests.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// Bytes of everything that is no request.
    pub(super) fn control_bytes(&self) -> usize {
        self.control_bytes
    }

    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        self.request_bytes + self.control_bytes
    }

    /// `true` if a request of this size may be queued, with at most `limit` bytes of requests. A request larger than the
    /// limit is queued alone.
    pub(super) fn has_room(&self, bytes: usize, limit: usize) -> bool {
        self.requests == 0 || self.request_bytes + bytes <= limit
    }

    /// The empty buffer, to be exchanged for one that was used.
    pub(super) fn spare(&mut self) -> &mut Vec<u8> {
        &mut self.spare
    }

    pub(super) fn push_request(&mut self, id: u128, text: String) {
        self.add(Item { id: Some(id), out: Out::Text(text) });
    }

    /// Queues what is no request.
    pub(super) fn push(&mut self, out: Out) {
        self.add(Item { id: None, out });
    }

    /// Queues requests in front of everything else, in this order.
    pub(super) fn push_in_front(&mut self, first: Vec<(u128, String)>) {
        let queued = std::mem::take(&mut self.items);
        self.items.reserve(first.len() + queued.len());
        for (id, text) in first {
            self.push_request(id, text);
        }
        self.items.extend(queued);
    }

    fn add(&mut self, item: Item) {
        let bytes = item.bytes();
        if item.id.is_some() {
            self.requests += 1;
            self.request_bytes += bytes;
        } else {
            self.control_bytes += bytes;
        }
        self.items.push_back(item);
    }

    /// Adds a frame of the reader to the piece at the end, or begins a new piece. Returns `true` if the piece is full.
    pub(super) fn add_frame(&mut self, frame: &[u8]) -> bool {
        if let Some(Item { out: Out::Frames(piece), .. }) = self.items.back_mut() {
            if piece.len() < PIECE {
                piece.extend_from_slice(frame);
                self.control_bytes += frame.len();
                return piece.len() >= PIECE;
            }
        }
        let mut piece = std::mem::take(&mut self.spare);
        piece.extend_from_slice(frame);
        self.push(Out::Frames(piece));
        frame.len() >= PIECE
    }

    /// Takes the first frame out, with its bytes.
    pub(super) fn pop(&mut self) -> Option<(usize, Out)> {
        let item = self.items.pop_front()?;
        self.forget(&item);
        Some((item.bytes(), item.out))
    }

    /// Takes a request out. Returns `false` if it is not queued.
    pub(super) fn remove(&mut self, id: u128) -> bool {
        let Some(at) = self.items.iter().position(|item| item.id == Some(id)) else { return false };
        if let Some(item) = self.items.remove(at) {
            self.forget(&item);
        }
        true
    }

    /// Corrects the counts for an item that is not queued any more.
    fn forget(&mut self, item: &Item) {
        let bytes = item.bytes();
        if item.id.is_some() {
            self.requests -= 1;
            self.request_bytes -= bytes;
        } else {
            self.control_bytes -= bytes;
        }
    }

    /// Takes everything out. Returns the requests, in order.
    pub(super) fn clear(&mut self) -> Vec<(u128, String)> {
        (self.requests, self.request_bytes, self.control_bytes) = (0, 0, 0);
        let unsent = std::mem::take(&mut self.items).into_iter().filter_map(|item| match (item.id, item.out) {
            (Some(id), Out::Text(text)) => Some((id, text)),
            _ => None,
        });
        unsent.collect()
    }
}
