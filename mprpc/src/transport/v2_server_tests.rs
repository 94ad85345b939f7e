//! What a server's connection does with clients that are slow, hostile or in a hurry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;

use super::*;
use crate::service::{Call, Dispatch, call};
use crate::wire::v2::frame::{self, Header, Incoming, Kind};
use crate::wire::v2::head::{self, RequestHead, ResponseHead};
use crate::{Code, Context, Service, ServiceDescriptor};

const MIB: usize = 1024 * 1024;

static SERVICE: ServiceDescriptor =
    ServiceDescriptor { full_name: "e.E", short_name: "E", methods: &["Big", "BigLater", "Work"] };

/// Answers at once with a mebibyte.
const BIG: u16 = 0;
/// The same, once it is let go.
const BIG_LATER: u16 = 1;
/// What the test gives it to do; it answers with nothing.
const WORK: u16 = 2;

type Work = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

struct Fake {
    go: Arc<Notify>,
    work: Work,
}

impl Dispatch for Fake {
    fn for_connection(&self) -> Arc<dyn Dispatch> {
        Arc::new(Self { go: Arc::clone(&self.go), work: Arc::clone(&self.work) })
    }

    fn dispatch(&self, method: usize, _: Context, _: bytes::Bytes) -> Result<Call, Status> {
        let go = Arc::clone(&self.go);
        Ok(match u16::try_from(method).unwrap() {
            BIG => call(async { Ok(vec![7_u8; MIB]) }),
            BIG_LATER => call(async move {
                go.notified().await;
                Ok(vec![7_u8; MIB])
            }),
            _ => {
                let work = (self.work)();
                call(async move {
                    work.await;
                    Ok(())
                })
            }
        })
    }
}

/// A connection, the client's end of it, and what lets the handlers of `BIG_LATER` go.
struct Pair {
    connection: Connection<DuplexStream>,
    client: DuplexStream,
    go: Arc<Notify>,
}

impl Pair {
    /// The wire holds `bytes` in each direction.
    fn new(bytes: usize, work: Work) -> Self {
        let go = Arc::new(Notify::new());
        let mut services = Services::default();
        let fake = Fake { go: Arc::clone(&go), work };
        services.add(Service::new(&SERVICE, fake));
        let server = Connections::new(services, Duration::from_secs(30), 1);
        let (client, io) = tokio::io::duplex(bytes);
        let preface = BytesMut::from(&crate::wire::v2::PREFACE[..]);
        let peer = ([127, 0, 0, 1], 1).into();
        let connection = Connection::new(io, peer, preface, &server);
        Self { connection, client, go }
    }

    /// Polls the connection until it has read what was sent: a poll may end early to let others run.
    async fn poll_often(&mut self) {
        for _ in 0..100 {
            assert!(poll!(&mut self.connection).is_pending());
            tokio::task::yield_now().await;
        }
    }

    async fn send(&mut self, frames: &[u8]) {
        self.client.write_all(frames).await.unwrap();
    }
}

fn idle() -> Work {
    Arc::new(|| Box::pin(async {}))
}

/// A request that names its method, which is allowed each time.
fn request(method: u16, call: u32) -> BytesMut {
    request_within(method, call, 0)
}

fn request_within(method: u16, call: u32, timeout_us: u64) -> BytesMut {
    let path = SERVICE.path(method.into());
    let head = RequestHead { path, timeout_us, ..RequestHead::default() };
    let mut payload = BytesMut::new();
    head::write(&head, &mut payload);
    let header = Header { kind: Kind::Request, flags: frame::END, method, call };
    let mut out = BytesMut::new();
    frame::write(&mut out, header, &payload);
    out
}

fn cancel(call: u32) -> BytesMut {
    let mut out = BytesMut::new();
    let header = Header { kind: Kind::Cancel, flags: frame::END, method: 0, call };
    frame::write(&mut out, header, &[]);
    out
}

/// Reads answers until there were `calls` of them.
async fn read_answers(client: &mut DuplexStream, calls: usize) {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let mut input = BytesMut::new();
    let mut answers = 0;
    while answers < calls {
        assert_ne!(client.read_buf(&mut input).await.unwrap(), 0);
        while let Some(Incoming::Frame(header, _)) = decoder.decode(&mut input) {
            answers += usize::from(header.kind == Kind::Response);
        }
    }
}

#[tokio::test]
async fn requests_wait_while_answers_to_a_slow_reader_do() {
    let mut pair = Pair::new(64 * 1024, idle());
    for n in 0..64 {
        pair.send(&request(BIG, n)).await;
    }
    assert!(poll!(&mut pair.connection).is_pending());
    assert!(pair.connection.output.len() <= 3 * MIB, "{}", pair.connection.output.len());

    // Once it reads, all are served.
    tokio::spawn(pair.connection);
    read_answers(&mut pair.client, 64).await;
}

#[tokio::test]
async fn handlers_that_end_together_do_not_fill_the_memory_for_a_slow_reader() {
    let mut pair = Pair::new(64 * 1024, idle());
    for n in 0..64 {
        pair.send(&request(BIG_LATER, n)).await;
    }
    assert!(poll!(&mut pair.connection).is_pending());
    pair.go.notify_waiters();
    assert!(poll!(&mut pair.connection).is_pending());
    let held = pair.connection.output.len();
    assert!(held <= 18 * MIB, "{held}");

    tokio::spawn(pair.connection);
    read_answers(&mut pair.client, 64).await;
}

#[tokio::test]
async fn what_large_answers_took_is_given_back_once_they_are_written() {
    let mut pair = Pair::new(64 * 1024, idle());
    for n in 0..4 {
        pair.send(&request(BIG, n)).await;
    }
    let mut taken = vec![0; 8 * MIB];
    let mut bytes = 0;
    while bytes < 4 * MIB {
        assert!(poll!(&mut pair.connection).is_pending());
        bytes += pair.client.read(&mut taken).await.unwrap();
        // A new budget for both.
        tokio::task::yield_now().await;
    }
    assert!(poll!(&mut pair.connection).is_pending());
    assert!(!pair.connection.output.try_reclaim(64 * 1024 + 1), "it has room for more");
}

/// A handler that is not polled keeps what it holds, and others wait for it.
#[tokio::test]
async fn a_slow_reader_does_not_stop_the_handlers_of_its_calls() {
    let lock = Arc::new(tokio::sync::Mutex::new(()));
    let gate = Arc::new(Notify::new());
    let (theirs, opened) = (Arc::clone(&lock), Arc::clone(&gate));
    let mut pair = Pair::new(
        1024,
        Arc::new(move || {
            let (lock, opened) = (Arc::clone(&theirs), Arc::clone(&opened));
            Box::pin(async move {
                let _held = lock.lock().await;
                opened.notified().await;
            })
        }),
    );
    for frame in [request(WORK, 1), request(BIG, 2), request(BIG, 3)] {
        pair.send(&frame).await;
    }
    assert!(poll!(&mut pair.connection).is_pending());
    assert!(lock.try_lock().is_err(), "the handler holds it");
    gate.notify_one();
    assert!(poll!(&mut pair.connection).is_pending());
    assert!(lock.try_lock().is_ok(), "the handler has let it go");
}

/// "Rapid reset": calls that are cancelled at once cost memory until they are swept up.
#[tokio::test]
async fn calls_that_are_cancelled_at_once_do_not_pile_up() {
    #[derive(Default)]
    struct Alive {
        now: AtomicUsize,
        most: AtomicUsize,
    }
    struct Counted(Arc<Alive>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.now.fetch_sub(1, Ordering::Relaxed);
        }
    }

    let alive = Arc::new(Alive::default());
    let handlers = Arc::clone(&alive);
    let mut pair = Pair::new(
        2 * MIB,
        Arc::new(move || {
            let now = handlers.now.fetch_add(1, Ordering::Relaxed) + 1;
            handlers.most.fetch_max(now, Ordering::Relaxed);
            let counted = Counted(Arc::clone(&handlers));
            Box::pin(async move {
                let _counted = counted;
                std::future::pending::<()>().await;
            })
        }),
    );
    for n in 0..20_000 {
        pair.send(&request(WORK, n)).await;
        pair.send(&cancel(n)).await;
    }
    pair.poll_often().await;
    assert_eq!(alive.now.load(Ordering::Relaxed), 0);
    let most = alive.most.load(Ordering::Relaxed);
    assert!(most <= 2_000, "{most}");
}

#[tokio::test]
async fn a_call_id_that_is_in_use_breaks_the_protocol() {
    let mut pair = Pair::new(MIB, Arc::new(|| Box::pin(std::future::pending())));
    pair.send(&request(WORK, 7)).await;
    assert!(poll!(&mut pair.connection).is_pending());
    pair.send(&request(WORK, 7)).await;
    let Poll::Ready(Err(error)) = poll!(&mut pair.connection) else {
        panic!("the connection goes on");
    };
    assert!(error.to_string().contains("7"), "{error}");
}

/// Also where the request could not be served anyway.
#[tokio::test]
async fn the_id_of_a_call_at_work_breaks_the_protocol_in_a_request_that_is_too_long() {
    let mut pair = Pair::new(MIB, Arc::new(|| Box::pin(std::future::pending())));
    pair.send(&request(WORK, 7)).await;
    assert!(poll!(&mut pair.connection).is_pending());
    let mut header = BytesMut::new();
    frame::write(
        &mut header,
        Header { kind: Kind::Request, flags: frame::END, method: 0, call: 7 },
        &[],
    );
    header[..4].copy_from_slice(&(FRAME_BYTES_MAX + 1).to_le_bytes());
    pair.send(&header).await;
    assert!(matches!(poll!(&mut pair.connection), Poll::Ready(Err(_))));
}

#[tokio::test]
async fn a_handler_that_uses_the_tasks_budget_up_does_not_keep_the_connection_from_moving() {
    let mut pair = Pair::new(
        64 * 1024,
        Arc::new(|| {
            Box::pin(async {
                loop {
                    tokio::task::consume_budget().await;
                }
            })
        }),
    );
    let serving = tokio::spawn(pair.connection);
    // One that sleeps, one that never does, and one that is to be answered beside them.
    pair.client.write_all(&request(BIG_LATER, 1)).await.unwrap();
    pair.client.write_all(&request(WORK, 2)).await.unwrap();
    tokio::task::yield_now().await;
    pair.client.write_all(&request(BIG, 3)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), read_answers(&mut pair.client, 1))
        .await
        .expect("the other call is answered");
    serving.abort();
}

/// Reads answers until there were `calls` of them, and says what became of each.
async fn read_codes(client: &mut DuplexStream, calls: usize) -> HashMap<u32, Code> {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let mut input = BytesMut::new();
    let mut codes = HashMap::new();
    while codes.len() < calls {
        assert_ne!(client.read_buf(&mut input).await.unwrap(), 0);
        while let Some(Incoming::Frame(header, mut payload)) = decoder.decode(&mut input) {
            if header.kind == Kind::Response {
                let head = head::read::<ResponseHead>(&mut payload, 1024).unwrap();
                let code = head.into_status().map_or(Code::Ok, |status| status.code());
                codes.insert(header.call, code);
            }
        }
    }
    codes
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_time_passed_while_it_waited_in_the_input_is_refused_before_it_starts() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let mut pair = Pair::new(
        64 * 1024,
        Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {})
        }),
    );
    // The answers to the first two fill the output, and so the others wait.
    for frame in [request(BIG, 1), request(BIG, 2)] {
        pair.send(&frame).await;
    }
    pair.send(&request_within(WORK, 3, 1_000_000)).await;
    pair.send(&request_within(WORK, 4, 3_000_000)).await;
    assert!(poll!(&mut pair.connection).is_pending());
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::spawn(pair.connection);
    let codes = read_codes(&mut pair.client, 4).await;
    assert_eq!((codes[&3], codes[&4]), (Code::DeadlineExceeded, Code::Ok));
    assert_eq!(begun.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_request_whose_time_passed_behind_handlers_that_took_long_is_refused_before_it_starts() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    // The first one keeps the thread until the time of the others is over.
    let mut pair = Pair::new(
        64 * 1024,
        Arc::new(move || {
            let began = Instant::now();
            while count.load(Ordering::Relaxed) == 0 && began.elapsed() < Duration::from_millis(5) {
                std::hint::spin_loop();
            }
            count.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {})
        }),
    );
    let mut frames = request(WORK, 0);
    for call in 1..100 {
        frames.extend_from_slice(&request_within(WORK, call, 5_000));
    }
    pair.send(&frames).await;
    tokio::spawn(pair.connection);
    let codes = read_codes(&mut pair.client, 100).await;
    assert_eq!(codes[&99], Code::DeadlineExceeded);
    assert!(begun.load(Ordering::Relaxed) <= FRAMES_PER_LOOK);
}
