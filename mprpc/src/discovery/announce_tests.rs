use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::*;

/// A registry of one entry, which test and instance hold.
#[derive(Default)]
struct World {
    /// The tenure of the moment, if there is one.
    tenure: watch::Sender<Option<u64>>,
    /// Under which tenure it was made, and what it says.
    entry: watch::Sender<Option<Standing>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Standing(u64, Vec<u8>);

impl AsRef<[u8]> for Standing {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

struct Fake {
    world: Arc<World>,
    own: Own,
    had: Mutex<HashSet<u64>>,
}

impl Fake {
    fn in_world(world: &Arc<World>) -> Self {
        let address = ([127, 0, 0, 1], 1).into();
        let own = Own::new(&Endpoint::new(address), address, "/x", 7, Probes::default());
        Self { world: Arc::clone(world), own, had: Mutex::default() }
    }

    async fn current(&self) -> u64 {
        let mut tenure = self.world.tenure.subscribe();
        let current = tenure.wait_for(Option::is_some).await.unwrap();
        current.unwrap()
    }

    /// Changes the entry if it is still as it was read, as the tenure of the moment only can.
    fn change(
        &self,
        tenure: u64,
        from: Option<&Standing>,
        to: Option<Standing>,
    ) -> Result<bool, &'static str> {
        if *self.world.tenure.borrow() != Some(tenure) {
            return Err("the tenure is over");
        }
        Ok(self.world.entry.send_if_modified(|entry| {
            let same = entry.as_ref() == from;
            if same {
                *entry = to;
            }
            same
        }))
    }
}

impl Place for Fake {
    type Tenure = u64;
    type Entry = Standing;
    type Error = &'static str;

    fn own(&self) -> &Own {
        &self.own
    }

    async fn tenure(&self) -> Result<u64, &'static str> {
        let current = self.current().await;
        self.had.lock().unwrap().insert(current);
        Ok(current)
    }

    async fn read(&self, _: &u64) -> Result<Option<Standing>, &'static str> {
        Ok(self.world.entry.borrow().clone())
    }

    fn maker(&self, tenure: &u64, standing: &Standing) -> Maker {
        match standing.0 {
            current if current == *tenure => Maker::Us,
            before if self.had.lock().unwrap().contains(&before) => Maker::UsBefore,
            _ => Maker::Another,
        }
    }

    async fn put(&self, tenure: &u64, from: Option<&Standing>) -> Result<bool, &'static str> {
        self.change(*tenure, from, Some(Standing(*tenure, self.own.data.clone())))
    }

    async fn delete(&self, tenure: &u64, standing: &Standing) -> Result<bool, &'static str> {
        self.change(*tenure, Some(standing), None)
    }

    async fn hold(&self, tenure: &u64) -> Result<(), Failure<&'static str>> {
        let mut current = self.world.tenure.subscribe();
        let _ = current.wait_for(|current| *current != Some(*tenure)).await;
        Ok(())
    }

    async fn withdraw(&self) -> Result<(), &'static str> {
        let current = self.current().await;
        take_out(self, &current).await
    }
}

impl World {
    async fn until(&self, wanted: impl FnMut(&Option<Standing>) -> bool) {
        let mut entry = self.entry.subscribe();
        let reached = timeout(Duration::from_secs(60), entry.wait_for(wanted)).await;
        assert!(reached.is_ok(), "seen {:?}", *self.entry.borrow());
    }
}

/// The last handle, and what tells when it was dropped.
fn handle() -> (oneshot::Sender<()>, oneshot::Receiver<()>) {
    oneshot::channel()
}

#[tokio::test(start_paused = true)]
async fn an_entry_stands_under_every_tenure_and_goes_before_the_last_handle_does() {
    let world = Arc::new(World::default());
    let (last, dropped) = handle();
    let registration = announce(Fake::in_world(&world), last, CancellationToken::new());
    for tenure in [1, 2] {
        world.tenure.send_replace(Some(tenure));
        world.until(|entry| entry.as_ref().is_some_and(|entry| entry.0 == tenure)).await;
    }
    drop(registration);
    assert!(dropped.await.is_err());
    assert_eq!(*world.entry.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_between_two_tenures_is_taken_out_under_the_next() {
    let world = Arc::new(World::default());
    world.tenure.send_replace(Some(1));
    let (last, _dropped) = handle();
    let registration = announce(Fake::in_world(&world), last, CancellationToken::new());
    world.until(Option::is_some).await;
    world.tenure.send_replace(None);
    let mut leaving = std::pin::pin!(registration.withdraw());
    assert!(timeout(WITHDRAW_MAX / 2, &mut leaving).await.is_err(), "it is waited for");
    world.tenure.send_replace(Some(2));
    leaving.await;
    assert_eq!(*world.entry.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn leaving_has_a_bound_and_goes_on_behind_it_for_as_long_as_others_have_the_registry() {
    for others in [true, false] {
        let world = Arc::new(World::default());
        world.tenure.send_replace(Some(1));
        let ((last, dropped), gone) = (handle(), CancellationToken::new());
        let registration = announce(Fake::in_world(&world), last, gone.clone());
        world.until(Option::is_some).await;
        world.tenure.send_replace(None);
        let begin = tokio::time::Instant::now();
        registration.withdraw().await;
        assert_eq!(begin.elapsed().as_secs(), WITHDRAW_MAX.as_secs());
        assert!(dropped.await.is_err(), "it does not keep the registry any longer");
        assert!(world.entry.borrow().is_some());
        if others {
            world.tenure.send_replace(Some(2));
            world.until(Option::is_none).await;
        } else {
            gone.cancel();
            // Nobody has the world but this test.
            while Arc::strong_count(&world) > 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_out_is_told_by_who_made_it_and_its_address_and_by_nothing_else() {
    let edited = br#"{"address":"127.0.0.1:1","weight":3}"#.to_vec();
    let moved = br#"{"address":"127.0.0.1:2"}"#.to_vec();
    for (standing, goes) in [
        (Standing(1, edited.clone()), true),
        (Standing(1, b"junk".to_vec()), true),
        (Standing(9, edited), false),
        (Standing(1, moved), false),
    ] {
        let world = Arc::new(World::default());
        world.tenure.send_replace(Some(1));
        let registration = announce(Fake::in_world(&world), handle().0, CancellationToken::new());
        world.until(Option::is_some).await;
        world.entry.send_replace(Some(standing.clone()));
        registration.withdraw().await;
        assert_eq!(world.entry.borrow().is_none(), goes, "{standing:?}");
    }
}

/// It has our id, and no network is said in which it is.
#[tokio::test(start_paused = true)]
async fn an_id_whose_owner_cannot_be_tried_from_here_is_neither_taken_nor_waited_for_in_silence() {
    let world = Arc::new(World::default());
    world.tenure.send_replace(Some(1));
    world.entry.send_replace(Some(Standing(9, br#"{"address":"[fe80::1]:1"}"#.to_vec())));
    let fake = Fake::in_world(&world);
    let outcome = timeout(Duration::from_secs(60), take_place(&fake, &1)).await;
    let untold = outcome.expect("it is not waited for").unwrap_err();
    assert!(matches!(untold, Failure::Untold(..)), "{untold:?}");

    let registration = announce(fake, handle().0, CancellationToken::new());
    world.entry.send_replace(None);
    world.until(|entry| entry.as_ref().is_some_and(|entry| entry.0 == 1)).await;
    registration.withdraw().await;
}

#[test]
fn what_no_registry_for_many_machines_can_name_is_not_announced() {
    static ECHO: ServiceDescriptor =
        ServiceDescriptor { full_name: "echo.Echo", short_name: "Echo", methods: &["Echo"] };
    let named = |address: &str| {
        let endpoint = Endpoint::new(address.parse::<crate::Address>().unwrap());
        nameable("test", &ECHO, &endpoint)
    };
    let nowhere =
        ["0.0.0.0:1", "[::]:1", "224.0.0.1:1", "[ff02::1]:1", "255.255.255.255:1", "1.2.3.4:0"];
    for address in nowhere.into_iter().chain(["unix:/x", "local:x"]) {
        assert_eq!(named(address), None, "{address}");
    }
    assert_eq!(named("10.0.0.1:1"), Some(([10, 0, 0, 1], 1).into()));
}
