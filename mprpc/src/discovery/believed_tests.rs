use tokio::net::TcpListener;
use tokio::time::timeout;

use super::super::snapshot::Origin;
use super::*;
use crate::ServiceDescriptor;

static ECHO: ServiceDescriptor =
    ServiceDescriptor { full_name: "echo.Echo", short_name: "Echo", methods: &["Echo"] };

/// What happens within, however busy the machine is.
const SOON: Duration = Duration::from_secs(20);

fn following(snapshot: Option<Snapshot>) -> (Believed, watch::Receiver<Listing>) {
    let (sender, listing) = watch::channel(Listing::Unknown);
    (Believed::new("echo.Echo", Probes::default(), snapshot, sender), listing)
}

fn origin() -> Origin {
    Origin { registry: "dns".to_owned(), servers: vec!["a".to_owned()], root: String::new() }
}

fn known(endpoints: &[Endpoint]) -> Listing {
    Listing::Known(endpoints.into())
}

#[tokio::test]
async fn who_is_suddenly_missing_is_called_until_connections_are_refused() {
    let listener = TcpListener::bind(test_servers::free_address()).await.unwrap();
    let there = Endpoint::new(listener.local_addr().unwrap());
    let (mut believed, listing) = following(None);
    believed.listed(vec![there.clone()], true).await;
    believed.listed(Vec::new(), true).await;
    assert_eq!(*listing.borrow(), known(&[there]));
    drop(listener);
    let news = timeout(SOON, believed.news()).await.expect("its absence is noticed");
    believed.note(news).await;
    assert_eq!(*listing.borrow(), known(&[]));
}

#[tokio::test]
async fn a_registry_that_is_silent_at_the_start_is_replaced_by_what_it_said_last() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin();
    let snapshot = || Some(Snapshot::new(directory.path(), &ECHO, origin.clone()));
    let there = Endpoint::new(([127, 0, 0, 1], 1));
    let (mut before, _) = following(snapshot());
    before.listed(vec![there.clone()], true).await;

    let (mut after, listing) = following(snapshot());
    assert_eq!(*listing.borrow(), Listing::Unknown);
    let news = timeout(SOON, after.news()).await.expect("it is not waited for");
    after.note(news).await;
    assert_eq!(*listing.borrow(), known(&[there]));
    let moved = Endpoint::new(([127, 0, 0, 1], 2));
    after.listed(vec![moved.clone()], true).await;
    assert_eq!(*listing.borrow(), known(&[moved]), "what it says counts as soon as it speaks");
}

#[tokio::test]
async fn a_first_listing_that_is_far_shorter_than_the_snapshot_is_not_believed_nor_stored() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin();
    let snapshot = || Some(Snapshot::new(directory.path(), &ECHO, origin.clone()));
    let listener = TcpListener::bind(test_servers::free_address()).await.unwrap();
    let there = Endpoint::new(listener.local_addr().unwrap());
    let [one, two] = [1, 2].map(|port| Endpoint::new(([127, 0, 0, 1], port)));
    let (mut before, _) = following(snapshot());
    before.listed(vec![there.clone(), one.clone(), two.clone()], true).await;

    let (mut after, listing) = following(snapshot());
    after.listed(vec![one.clone()], true).await;
    let believed = |listing: &Listing| {
        let Listing::Known(endpoints) = listing else { panic!("it is known") };
        assert!(endpoints.contains(&there) && endpoints.contains(&one));
    };
    believed(&listing.borrow());
    let stored = snapshot().unwrap().load().await.unwrap();
    assert!(stored.contains(&there), "{stored:?}");
    // Who refuses has gone, and who accepts has not.
    let news = timeout(SOON, after.news()).await.expect("its absence is noticed");
    after.note(news).await;
    believed(&listing.borrow());
    assert_eq!(snapshot().unwrap().load().await.unwrap().len(), 2);

    let (mut again, listing) = following(snapshot());
    again.listed(vec![one.clone()], true).await;
    assert_eq!(*listing.borrow(), known(&[one]), "half is believed");
}

#[tokio::test]
async fn that_nobody_is_there_is_known_once_the_registry_has_said_all() {
    let (mut believed, listing) = following(None);
    believed.listed(Vec::new(), false).await;
    assert_eq!(*listing.borrow(), Listing::Unknown);
    believed.listed(Vec::new(), true).await;
    assert_eq!(*listing.borrow(), known(&[]));
}

/// What is not listed yet has not gone.
#[tokio::test]
async fn a_first_listing_that_is_not_all_is_not_compared_with_the_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin();
    let snapshot = || Some(Snapshot::new(directory.path(), &ECHO, origin.clone()));
    let all = [1, 2, 3].map(|port| Endpoint::new(([127, 0, 0, 1], port)));
    let (mut before, _) = following(snapshot());
    before.listed(all.to_vec(), true).await;

    let (mut after, listing) = following(snapshot());
    after.listed(all[..1].to_vec(), false).await;
    assert!(after.doubted.is_empty(), "{:?}", after.doubted);
    assert_eq!(snapshot().unwrap().load().await.unwrap().len(), 3, "nor stored");
    after.listed(all.to_vec(), true).await;
    assert_eq!(*listing.borrow(), known(&all));
    assert!(after.doubted.is_empty(), "{:?}", after.doubted);
}
