//! Tests of the writer, over pairs of connected sockets.

use std::io::Read;
use std::sync::atomic::Ordering;
use std::thread;

use tungstenite::Message;

use super::super::half::{AckEncoder, KEPT};
use super::super::tests::{next, pair, within};
use super::super::{Frame, ReadHalf};
use super::*;
use crate::clock::{Receiver, Sender};

const LONG: Duration = Duration::from_secs(20);

fn writer(change: impl FnOnce(&mut WriterSettings)) -> Writer {
    let mut settings = WriterSettings::default();
    change(&mut settings);
    Writer::new(Clock::real(), settings)
}

/// A keeper without timers, which reports each of its calls.
struct Ticks(Sender<()>, Option<Duration>);

impl Keeper for Ticks {
    fn tick(&self) -> Deadline {
        let _ = self.0.send(());
        self.1.and_then(within)
    }
}

/// Runs `test` beside the writer thread, and stops that afterwards, also when the test failed.
pub(crate) fn beside<T>(writer: &Writer, every: Option<Duration>, test: impl FnOnce(&Receiver<()>) -> T) -> T {
    struct Stop<'a>(&'a Writer);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    let (ticked, ticks) = Clock::real().unbounded();
    let keeper = Ticks(ticked, every);
    thread::scope(|scope| {
        scope.spawn(|| writer.run(&keeper));
        let _stop = Stop(writer);
        test(&ticks)
    })
}

fn text(message: Message) -> String {
    message.into_text().expect("a text").as_str().to_owned()
}

#[test]
fn queued_frames_follow_what_authentication_sent_in_order() {
    let writer = writer(|_| ());
    let (link, mut peer) = pair();
    assert!(matches!(writer.send(1, 1, "early".into(), 1, None), Err(NotSent::Gone(text)) if text == "early"));
    writer.prepare(1);
    writer.post(1, Out::Text("ack".into()));
    for id in 1..=3 {
        writer.send(1, id, format!("queued {id}"), 1, None).expect("queued");
    }
    assert!(writer.queued_bytes() > 0);
    assert!(writer.withdraw(1, 2) && !writer.withdraw(1, 2) && !writer.withdraw(2, 1));
    assert!(!writer.flush(1, within(Duration::ZERO)));
    writer.open(1, link.writer, link.socket, vec![(8, "first".into()), (9, "second".into())]).expect("open");
    beside(&writer, None, |_| {
        for expected in ["first", "second", "ack", "queued 1", "queued 3"] {
            assert_eq!(text(peer.read().expect("a frame")), expected);
        }
        assert!(writer.flush(1, within(LONG)));
        assert_eq!(writer.queued_bytes(), 0);
        writer.post(1, Out::Pong((*b"!").into()));
        writer.post(1, Out::Close(1000));
        assert!(matches!(writer.send(1, 4, "late".into(), 1, None), Err(NotSent::Gone(_))));
        assert_eq!(peer.read().expect("a frame"), Message::Pong(tungstenite::Bytes::from_static(b"!")));
        assert!(peer.read().expect("a frame").is_close());
    });
    let closed = writer.close(1);
    assert!(closed.unsent.is_empty() && closed.cause.is_none());
    assert!(writer.close(1).unsent.is_empty());
    assert!(!writer.flush(1, within(LONG)));
}

#[test]
fn a_lone_caller_writes_its_frame_itself() {
    let writer = writer(|_| ());
    let (link, mut peer) = pair();
    writer.prepare(7);
    writer.open(7, link.writer, link.socket, Vec::new()).expect("open");
    // No writer thread runs.
    writer.post(7, Out::Text("ping".into()));
    writer.send(7, 1, "direct".into(), 1, None).expect("sent");
    assert_eq!(text(peer.read().expect("a frame")), "ping");
    assert_eq!(text(peer.read().expect("a frame")), "direct");
    assert!(writer.flush(7, within(LONG)));
    writer.send(7, 2, "crowded".into(), DIRECT + 1, None).expect("queued");
    assert_eq!(writer.close(7).unsent, [(2, "crowded".to_owned())]);
}

#[test]
fn each_thread_s_frames_keep_their_order() {
    let writer = writer(|settings| settings.queue_bytes = 2000);
    let (link, mut peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |_| {
        thread::scope(|scope| {
            for thread in 0..8 {
                let writer = &writer;
                scope.spawn(move || {
                    for index in 0..2000 {
                        let id = u128::from(thread * 10_000u64 + index);
                        let in_flight = 1 + (index % 6) as usize;
                        writer.send(1, id, format!("{thread} {index}"), in_flight, within(LONG)).expect("sent");
                    }
                });
            }
            let mut last = [0u64; 8];
            for _ in 0..8 * 2000 {
                let text = text(peer.read().expect("a frame"));
                let (thread, index) = text.split_once(' ').expect("two numbers");
                let (thread, index): (usize, u64) = (thread.parse().expect("one"), index.parse().expect("two"));
                assert_eq!(last[thread], index);
                last[thread] += 1;
            }
        });
        assert!(writer.flush(1, within(LONG)));
    });
}

/// Fills everything between here and a peer that does not read; the number of requests that were accepted.
fn fill(writer: &Writer, generation: u64) -> u128 {
    for id in 0.. {
        match writer.send(generation, id, "x".repeat(60_000), 1, within(Duration::from_millis(500))) {
            Ok(()) => {}
            Err(NotSent::Full) => return id,
            Err(NotSent::Gone(_)) => panic!("the link is gone"),
        }
    }
    0
}

#[test]
fn a_peer_that_does_not_read_fills_the_queue_and_close_frees_everything() {
    let writer = writer(|_| ());
    let (link, peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |_| {
        let accepted = fill(&writer, 1);
        assert!(writer.queued_bytes() <= 1 << 20);
        assert!(!writer.flush(1, within(Duration::from_millis(50))));
        thread::scope(|scope| {
            // The system may take a little more after all, so one frame more may not be enough.
            let stuck = scope.spawn(|| {
                let send = |id| writer.send(1, id, "y".repeat(60_000), 1, None).err().map(|refused| (id, refused));
                (accepted..).find_map(send).expect("it is refused in the end")
            });
            while writer.state.lock().waiting == 0 {
                thread::yield_now();
            }
            let closed = writer.close(1);
            assert_eq!(closed.cause, None);
            let (accepted, refused) = stuck.join().expect("it returns");
            assert!(matches!(refused, NotSent::Gone(text) if text.len() == 60_000));
            let ids: Vec<_> = closed.unsent.iter().map(|(id, _)| *id).collect();
            assert!(!ids.is_empty() && ids.iter().copied().eq(accepted - ids.len() as u128..accepted), "{ids:?}");
        });
        // The next generation is not bothered by what the one before left.
        let (link, mut second) = pair();
        writer.prepare(2);
        writer.open(2, link.writer, link.socket, Vec::new()).expect("open");
        writer.send(2, 1, "anew".into(), 1, None).expect("sent");
        assert_eq!(text(second.read().expect("a frame")), "anew");
    });
    drop(peer);
}

#[test]
fn a_stalled_connection_is_cut_and_a_caller_gets_away_before() {
    let writer = writer(|settings| {
        settings.stall = Duration::from_secs(1);
        settings.hand_over = Duration::from_millis(50);
        settings.queue_bytes = 100 << 20;
    });
    let (mut link, peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |_| {
        writer.send(1, 1, "x".repeat(40 << 20), 1, None).expect("it leaves the rest to the writer thread");
        writer.send(1, 2, "behind".into(), 1, None).expect("queued");
        assert_eq!(next(&mut link.reader).err(), Some(LinkEnd::Closed));
        assert!(matches!(writer.send(1, 3, String::new(), 1, None), Err(NotSent::Gone(_))));
        let closed = writer.close(1);
        assert_eq!(closed.cause, Some(LinkEnd::Stalled));
        assert_eq!(closed.unsent, [(2, "behind".to_owned())]);
    });
    drop(peer);
}

/// Lets the reader send one acknowledgement, and pause.
fn acknowledge(writer: &Writer, acks: &mut AckEncoder, text: &str) {
    writer.post_frame(1, acks.text(text));
    writer.pause(1);
}

#[test]
fn a_reader_writes_its_acknowledgements_itself_while_the_writer_thread_gets_no_processor() {
    const COUNT: usize = 100_000;
    let writer = writer(|settings| settings.control_bytes = 32 << 10);
    let (link, mut peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    // No writer thread runs at all.
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut acks = AckEncoder::default();
            for index in 0..COUNT {
                writer.post_frame(1, acks.text(&format!("ack {index}")));
                assert!(writer.queued_bytes() <= 32 << 10);
            }
            // What is left is less than the bound: a caller takes it along.
            writer.send(1, 1, "the end".into(), 1, None).expect("sent");
        });
        for index in 0..COUNT {
            assert_eq!(text(peer.read().expect("a frame")), format!("ack {index}"));
        }
        assert_eq!(text(peer.read().expect("a frame")), "the end");
    });
    assert_eq!(writer.close(1).cause, None);
}

#[test]
fn a_reader_in_a_pause_wakes_no_writer_thread() {
    let writer = writer(|_| ());
    let (link, mut peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |_| {
        while !writer.is_parked() {
            thread::yield_now();
        }
        let mut acks = AckEncoder::default();
        for index in 0..100 {
            acknowledge(&writer, &mut acks, &index.to_string());
            assert_eq!(text(peer.read().expect("a frame")), index.to_string());
        }
        assert!(writer.is_parked());
    });
    assert_eq!(writer.wakes.load(Ordering::Relaxed), 1, "it was stopped, and nothing else");
}

#[test]
fn a_reader_waits_while_another_thread_has_the_write_half_and_the_connection_stays() {
    let writer = writer(|settings| settings.control_bytes = 1000);
    let (link, mut peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    // A thread that took the half and then lost its processor.
    let half = writer.state.lock().take().expect("the half");
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut acks = AckEncoder::default();
            for _ in 0..100 {
                writer.post_frame(1, acks.pong(b"pong"));
            }
        });
        while writer.state.lock().waiting == 0 {
            thread::yield_now();
        }
        assert!(writer.queued_bytes() < 1100);
        writer.write(1, half);
        reader.join().expect("it goes on");
    });
    assert_eq!(peer.read().expect("a frame"), Message::Pong(tungstenite::Bytes::from_static(b"pong")));
    assert_eq!(writer.close(1).cause, None);
}

#[test]
fn a_peer_that_sends_much_and_reads_nothing_holds_the_reader_for_a_bounded_time() {
    let writer = writer(|settings| {
        settings.control_bytes = 1000;
        settings.hand_over = Duration::from_millis(20);
        settings.stall = Duration::from_millis(200);
    });
    let (mut link, peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |_| {
        let mut acks = AckEncoder::default();
        // This is more than the buffers of both sockets hold. It returns when the connection is cut.
        while writer.state.lock().is_current(1) {
            acknowledge(&writer, &mut acks, &"x".repeat(10_000));
        }
        assert_eq!(next(&mut link.reader).err(), Some(LinkEnd::Closed));
        assert_eq!(writer.close(1).cause, Some(LinkEnd::Stalled));
    });
    drop(peer);
}

/// Reads `count` events, and acknowledges each with a frame that is longer than the event.
fn read_and_acknowledge(writer: &Writer, reader: &mut ReadHalf, count: usize) {
    let mut acks = AckEncoder::default();
    for _ in 0..count {
        match reader.next(&mut || writer.pause(1)) {
            Ok(Frame::Text(text)) => writer.post_frame(1, acks.text(&format!("{text} {}", "a".repeat(1000)))),
            other => panic!("{other:?}"),
        }
    }
    writer.pause(1);
}

/// Both directions are full: the peer writes and does not read, and the frames of the reader do not fit. The reader
/// continues to read, and its frames reach the peer as soon as the peer reads.
#[test]
fn a_reader_reads_on_while_its_peer_takes_nothing() {
    const COUNT: usize = 20_000;
    let writer = writer(|settings| {
        settings.control_bytes = usize::MAX;
        settings.hand_over = Duration::from_millis(20);
        settings.stall = Duration::MAX;
    });
    let (mut link, mut peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    let event = |index: usize| format!("{index} {}", "e".repeat(1000));
    beside(&writer, None, |_| {
        thread::scope(|scope| {
            scope.spawn(|| read_and_acknowledge(&writer, &mut link.reader, COUNT));
            // Without a reader that reads on this does not end: the events fill the buffers of both sockets.
            for index in 0..COUNT {
                peer.send(Message::text(event(index))).expect("sent");
            }
            for index in 0..COUNT {
                let ack = text(peer.read().expect("a frame"));
                assert!(ack.starts_with(&event(index)), "{index}: {}", &ack[..10]);
            }
        });
    });
    assert_eq!(writer.close(1).cause, None);
}

#[test]
fn a_reader_that_had_to_wait_for_the_socket_leaves_the_writing_to_the_writer_thread() {
    let writer = writer(|settings| {
        settings.control_bytes = usize::MAX;
        settings.hand_over = Duration::from_millis(20);
    });
    let (link, peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    // No writer thread runs, so that what the reader does not write stays.
    let mut acks = AckEncoder::default();
    let mut frames = 0;
    while writer.queued_bytes() == 0 {
        acknowledge(&writer, &mut acks, &"x".repeat(100_000));
        frames += 1;
        assert!(frames < 1000, "the buffers of a socket are not that large");
    }
    assert!(writer.state.lock().left_alone.is_some());
    let queued = writer.queued_bytes();
    acknowledge(&writer, &mut acks, "one more");
    assert!(writer.queued_bytes() > queued, "it did not wait a second time");
    writer.close(1);
    assert!(writer.state.lock().left_alone.is_none(), "the next link begins anew");
    drop(peer);
}

#[test]
fn closing_frees_a_reader_that_waits_to_write() {
    let writer = writer(|settings| {
        settings.control_bytes = 1000;
        settings.stall = Duration::MAX;
    });
    let (link, peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |_| {
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut acks = AckEncoder::default();
                while writer.state.lock().is_current(1) {
                    acknowledge(&writer, &mut acks, &"x".repeat(100_000));
                }
            });
            while writer.queued_bytes() < 100_000 {
                thread::yield_now();
            }
            writer.close(1);
            reader.join().expect("it returns");
        });
    });
    drop(peer);
}

#[test]
fn what_the_reader_encoded_for_a_connection_that_has_ended_goes_nowhere() {
    let writer = writer(|_| ());
    let ((old, _old_peer), (new, mut peer)) = (pair(), pair());
    writer.prepare(1);
    writer.open(1, old.writer, old.socket, Vec::new()).expect("open");
    writer.close(1);
    writer.prepare(2);
    let mut acks = AckEncoder::default();
    acknowledge(&writer, &mut acks, "late");
    assert_eq!(writer.queued_bytes(), 0);
    writer.open(2, new.writer, new.socket, Vec::new()).expect("open");
    writer.send(2, 1, "new".into(), 1, None).expect("sent");
    assert_eq!(text(peer.read().expect("a frame")), "new");
}

#[test]
fn a_frame_larger_than_the_bound_goes_when_nothing_waits() {
    let writer = writer(|settings| settings.queue_bytes = 1000);
    let (link, mut peer) = pair();
    writer.prepare(1);
    writer.send(1, 1, "small".into(), 1, None).expect("queued");
    let large = "x".repeat(3 << 20);
    let soon = within(Duration::from_millis(20));
    assert!(matches!(writer.send(1, 2, large.clone(), 9, soon), Err(NotSent::Full)));
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |_| {
        thread::scope(|scope| {
            scope.spawn(|| writer.send(1, 2, large.clone(), 9, within(LONG)).expect("sent"));
            assert_eq!(text(peer.read().expect("a frame")), "small");
            assert_eq!(text(peer.read().expect("a frame")), large);
        });
    });
}

#[test]
fn opening_what_has_ended_gives_the_frames_back() {
    let writer = writer(|_| ());
    let (mut link, _peer) = pair();
    writer.prepare(1);
    writer.close(1);
    let back = writer.open(1, link.writer, link.socket, vec![(1, "first".into())]);
    assert_eq!(back, Err(vec![(1, "first".to_owned())]));
    assert_eq!(next(&mut link.reader).err(), Some(LinkEnd::Closed));
}

#[test]
fn an_idle_writer_wakes_only_for_its_keeper() {
    let writer = writer(|_| ());
    beside(&writer, None, |ticks| {
        Clock::real().recv(ticks, within(LONG)).expect("the first tick");
        writer.wake();
        Clock::real().recv(ticks, within(LONG)).expect("it was woken");
        writer.pause(1);
    });
    let busy_with_one_timer = writer.wakes.swap(0, Ordering::Relaxed);
    assert!(busy_with_one_timer <= 2, "{busy_with_one_timer}");

    let writer = Writer::new(Clock::real(), WriterSettings::default());
    beside(&writer, Some(Duration::from_millis(100)), |ticks| {
        for _ in 0..4 {
            Clock::real().recv(ticks, within(LONG)).expect("a tick");
        }
        assert!(writer.wakes.load(Ordering::Relaxed) <= 4);
    });
}

#[test]
fn the_write_half_of_an_old_connection_is_not_put_into_the_next_one() {
    let writer = writer(|_| ());
    let ((old, _old_peer), (new, mut peer)) = (pair(), pair());
    writer.prepare(1);
    writer.open(1, old.writer, old.socket, Vec::new()).expect("open");
    // A thread that took the half and then lost its processor.
    let half = writer.state.lock().take().expect("the half");
    writer.close(1);
    writer.prepare(2);
    writer.write(1, half);
    writer.open(2, new.writer, new.socket, Vec::new()).expect("there is no half yet");
    writer.send(2, 1, "new".into(), 1, None).expect("sent");
    assert_eq!(text(peer.read().expect("a frame")), "new");
}

#[test]
fn what_is_queued_while_another_thread_writes_is_sent_after_that() {
    let writer = writer(|_| ());
    let (link, mut peer) = pair();
    peer.get_mut().set_read_timeout(Some(LONG)).expect("a timeout");
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |_| {
        while !writer.is_parked() {
            thread::yield_now();
        }
        let half = writer.state.lock().take().expect("the half");
        writer.send(1, 1, "meanwhile".into(), 1, None).expect("queued");
        writer.write(1, half);
        assert_eq!(text(peer.read().expect("a frame")), "meanwhile");
    });
}

/// Sends from this thread alone until the peer, which does not read, takes no more; how many frames that were.
fn send_until_it_stalls(writer: &Writer, frame: &str) -> u128 {
    for id in 1.. {
        writer.send(1, id, frame.to_owned(), 1, None).expect("sent");
        // With the rest of a frame the writer thread may have the half already.
        if writer.state.lock().half.as_ref().is_none_or(|half| half.is_partial()) {
            return id;
        }
    }
    0
}

#[test]
fn the_writer_thread_goes_on_with_what_a_lone_caller_could_not_write() {
    let writer = writer(|settings| {
        settings.stall = Duration::MAX;
        settings.hand_over = Duration::from_millis(20);
    });
    let (link, mut peer) = pair();
    peer.get_mut().set_read_timeout(Some(LONG)).expect("a timeout");
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    beside(&writer, None, |ticks| {
        Clock::real().recv(ticks, within(LONG)).expect("the first tick");
        while !writer.is_parked() {
            thread::yield_now();
        }
        let frame = "x".repeat(1 << 20);
        let sent = send_until_it_stalls(&writer, &frame);
        for _ in 0..sent {
            assert_eq!(text(peer.read().expect("the whole frame")).len(), frame.len());
        }
    });
}

#[test]
fn a_peer_that_takes_a_little_at_a_time_has_not_stalled() {
    const BLOCK: Duration = Duration::from_millis(10);
    let stall = 20 * BLOCK;
    let writer = writer(|settings| settings.hand_over = BLOCK);
    let (link, mut peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    send_until_it_stalls(&writer, &"x".repeat(1 << 20));
    let mut half = writer.state.lock().half.take().expect("the half");
    half.add(Out::Frames(vec![b'x'; 64 << 20]));
    let mut taken = vec![0; 1 << 20];
    for _ in 0..50 {
        peer.get_mut().read_exact(&mut taken).expect("bytes");
        // It blocks again each time.
        assert_eq!(half.write(BLOCK, stall), Ok(false));
    }
    // From here on the peer takes nothing.
    while half.write(BLOCK, stall) != Err(LinkEnd::Stalled) {}
}

#[test]
fn what_leaves_the_queue_makes_room_for_a_sender_that_waits() {
    let writer = writer(|settings| settings.queue_bytes = 1000);
    writer.prepare(1);
    let waits_while = |id, happens: &dyn Fn()| {
        let until = within(LONG);
        let sent = thread::scope(|scope| {
            let waits = scope.spawn(|| writer.send(1, id, "y".repeat(800), 9, until));
            while writer.state.lock().waiting == 0 {
                thread::yield_now();
            }
            happens();
            waits.join().expect("it returns")
        });
        assert!(within(Duration::ZERO) < until, "it was not woken");
        sent
    };
    writer.send(1, 1, "x".repeat(800), 1, None).expect("queued");
    assert!(waits_while(2, &|| assert!(writer.withdraw(1, 1))).is_ok());
    assert_eq!(writer.queued_bytes(), 800);
    assert!(matches!(waits_while(3, &|| drop(writer.close(1))), Err(NotSent::Gone(_))));
    assert_eq!(writer.queued_bytes(), 0, "the next link begins with nothing");
}

#[test]
fn every_frame_that_waits_counts_against_a_bound() {
    let writer = writer(|_| ());
    writer.prepare(1);
    let mut bytes = 0;
    for out in [Out::Pong(Box::default()), Out::Pong((*b"pong").into()), Out::Text("ack".into()), Out::Close(1000)] {
        writer.post(1, out);
        assert!(writer.queued_bytes() > bytes);
        bytes = writer.queued_bytes();
    }
}

#[test]
fn the_buffer_of_a_huge_frame_is_given_back() {
    let writer = writer(|settings| settings.hand_over = LONG);
    let (link, mut peer) = pair();
    writer.prepare(1);
    writer.open(1, link.writer, link.socket, Vec::new()).expect("open");
    thread::scope(|scope| {
        scope.spawn(|| writer.send(1, 1, "x".repeat(KEPT * 4), 1, None).expect("sent"));
        assert_eq!(text(peer.read().expect("a frame")).len(), KEPT * 4);
    });
    let half = writer.state.lock().half.take().expect("the half");
    assert!(!half.is_partial() && half.kept_bytes() < KEPT, "{}", half.kept_bytes());
}

#[test]
fn a_connection_that_the_service_closes_takes_no_request_and_the_next_one_does() {
    let writer = writer(|_| ());
    writer.prepare(1);
    writer.post_last(1, Out::Text("the last word".into()));
    assert!(matches!(writer.send(1, 1, "late".into(), 1, None), Err(NotSent::Gone(_))));
    assert!(writer.post_request(1, 2, "late".into()).is_err());
    writer.close(1);
    writer.prepare(2);
    writer.send(2, 1, "anew".into(), 1, None).expect("queued");
}
