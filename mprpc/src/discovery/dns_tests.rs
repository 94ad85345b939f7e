use std::collections::VecDeque;

use tokio::time::timeout;

use super::*;

fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
    ports.iter().map(|port| ([192, 0, 2, 1], *port).into()).collect()
}

/// Follows a name whose answers are these; the last one stands for ever.
fn answering(answers: Vec<io::Result<Vec<SocketAddr>>>) -> Followed {
    remembering(None, answers)
}

fn remembering(snapshot: Option<Snapshot>, answers: Vec<io::Result<Vec<SocketAddr>>>) -> Followed {
    let (sender, listing) = watch::channel(Listing::Unknown);
    let believed = Believed::new("echo.Echo", Probes::default(), snapshot, sender);
    let answers = Mutex::new(VecDeque::from(answers));
    let ask = move || {
        let answer = answers.lock().unwrap().pop_front();
        async {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    };
    let task = tokio::spawn(follow("name:1".to_owned(), DnsOptions::default(), believed, ask));
    (listing, AbortOnDropHandle::new(task))
}

async fn listed(listing: &mut watch::Receiver<Listing>, ports: &[u16]) {
    let wanted = Listing::Known(addresses(ports).into_iter().map(Endpoint::new).collect());
    let reached = timeout(Duration::from_secs(60), listing.wait_for(|now| *now == wanted)).await;
    let reached = reached.map(drop);
    assert!(reached.is_ok(), "wanted {wanted:?}, seen {:?}", *listing.borrow());
}

fn fails() -> io::Result<Vec<SocketAddr>> {
    Err(io::Error::other("no such name"))
}

#[tokio::test(start_paused = true)]
async fn the_list_follows_the_answers() {
    let answers = [vec![2, 1], vec![1, 2, 3], vec![2, 3]];
    let (mut listing, _task) =
        answering(answers.iter().map(|ports| Ok(addresses(ports))).collect());
    listed(&mut listing, &[1, 2]).await;
    listed(&mut listing, &[1, 2, 3]).await;
    listed(&mut listing, &[2, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_the_last_list_and_before_the_first_answer_calls_wait() {
    let answers = vec![fails(), Ok(addresses(&[1, 2])), fails(), fails(), Ok(addresses(&[1, 3]))];
    let (mut listing, _task) = answering(answers);
    assert_eq!(*listing.borrow_and_update(), Listing::Unknown);
    listing.changed().await.unwrap();
    listed(&mut listing, &[1, 2]).await;
    listing.mark_unchanged();
    // Nothing in between.
    listing.changed().await.unwrap();
    listed(&mut listing, &[1, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_starts_with_the_last_list_while_the_name_cannot_be_resolved() {
    static ECHO: ServiceDescriptor =
        ServiceDescriptor { full_name: "echo.Echo", short_name: "Echo", methods: &["Echo"] };
    let directory = tempfile::tempdir().unwrap();
    let of = |name: &str| {
        let (registry, servers) = ("dns".to_owned(), vec![name.to_owned()]);
        let origin = Origin { registry, servers, root: String::new() };
        Snapshot::new(directory.path(), &ECHO, origin)
    };
    let (mut listing, task) = remembering(Some(of("name:1")), vec![Ok(addresses(&[1, 2]))]);
    listed(&mut listing, &[1, 2]).await;
    while of("name:1").load().await.is_none() {
        sleep(Duration::from_millis(10)).await;
    }
    drop(task);

    let (mut listing, _task) = remembering(Some(of("name:1")), vec![fails()]);
    listed(&mut listing, &[1, 2]).await;
    let (listing, _task) = remembering(Some(of("other:1")), vec![fails()]);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(*listing.borrow(), Listing::Unknown, "that is of another name");
}

#[test]
fn of_an_answer_only_what_one_can_connect_to_is_used() {
    let answer = ["1.2.3.4:5", "0.0.0.0:5", "224.0.0.1:5", "[::]:5", "1.2.3.4:5", "[::1]:5"];
    let (good, junk) = sort_out(answer.iter().map(|text| text.parse().unwrap()).collect());
    let good: Vec<_> = good.iter().map(ToString::to_string).collect();
    assert_eq!(good, ["1.2.3.4:5", "[::1]:5"]);
    assert_eq!(junk.len(), 3, "{junk:?}");

    let many = (0..=u16::MAX).map(|low| {
        let [high, low] = low.to_be_bytes();
        SocketAddr::from(([10, 0, high, low], 1))
    });
    let (good, junk) = sort_out(many.collect());
    assert_eq!((good.len(), junk.len()), (ADDRESSES_MAX, 1));
}
