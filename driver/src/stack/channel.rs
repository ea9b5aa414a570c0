//! # A stack on the other end of a channel
//! The bypass holds a [`ChannelStack`]; whoever holds the [`ChannelPeer`] moves frames, in the same
//! thread or in another one. Both directions are bounded: a frame that finds its channel full is
//! dropped and counted, as by any network interface.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::HostStack;

/// One end of a pair of frame channels.
#[derive(Debug)]
struct End {
    sender: SyncSender<Vec<u8>>,
    receiver: Receiver<Vec<u8>>,
    dropped: u64,
}

impl End {
    fn send(&mut self, frame: Vec<u8>) -> bool {
        let sent = self.sender.try_send(frame).is_ok();
        self.dropped += u64::from(!sent);
        sent
    }
}

/// The bypass's end.
#[derive(Debug)]
pub struct ChannelStack(End);

/// The other end.
#[derive(Debug)]
pub struct ChannelPeer(End);

/// Connects a bypass with someone else; each direction holds up to `frames` frames.
pub fn pair(frames: usize) -> (ChannelStack, ChannelPeer) {
    let (to_peer, from_stack) = sync_channel(frames);
    let (to_stack, from_peer) = sync_channel(frames);
    let stack = End {
        sender: to_peer,
        receiver: from_peer,
        dropped: 0,
    };
    let peer = End {
        sender: to_stack,
        receiver: from_stack,
        dropped: 0,
    };
    (ChannelStack(stack), ChannelPeer(peer))
}

impl ChannelStack {
    /// Frames from the wire that found the channel full or its peer gone.
    pub fn dropped(&self) -> u64 {
        self.0.dropped
    }
}

impl HostStack for ChannelStack {
    fn receive(&mut self, frame: &[u8]) {
        self.0.send(frame.to_vec());
    }

    fn transmit(&mut self) -> Option<Vec<u8>> {
        self.0.receiver.try_recv().ok()
    }
}

impl ChannelPeer {
    /// The next frame from the wire, if there is one.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        self.0.receiver.try_recv().ok()
    }

    /// Hands over a frame for the wire; false when it was dropped.
    pub fn send(&mut self, frame: Vec<u8>) -> bool {
        self.0.send(frame)
    }

    /// Frames for the wire that found the channel full or the bypass gone.
    pub fn dropped(&self) -> u64 {
        self.0.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_frames_both_ways_in_order() {
        let (mut stack, mut peer) = pair(4);
        stack.receive(&[1]);
        stack.receive(&[2]);
        assert!(peer.send(vec![3]));
        assert_eq!(
            (peer.receive(), peer.receive(), peer.receive()),
            (Some(vec![1]), Some(vec![2]), None)
        );
        assert_eq!((stack.transmit(), stack.transmit()), (Some(vec![3]), None));
    }

    #[test]
    fn drops_and_counts_what_does_not_fit() {
        let (mut stack, mut peer) = pair(1);
        stack.receive(&[1]);
        stack.receive(&[2]);
        assert!(peer.send(vec![3]));
        assert!(!peer.send(vec![4]));
        assert_eq!((stack.dropped(), peer.dropped()), (1, 1));
        assert_eq!((peer.receive(), peer.receive()), (Some(vec![1]), None));
        drop(stack);
        assert!(!peer.send(vec![5]));
    }
}
