//! How services end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use im_common::{Running, ServiceError, Shutdown, Tasks, run_until_shutdown};

const ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const DRAIN: Duration = Duration::from_secs(10);

fn service(name: &'static str) -> (Tasks, Running) {
    let tasks = Tasks::new(name, Shutdown::new());
    (tasks.clone(), Running::new(ADDR, tasks))
}

/// [`run_until_shutdown`], but not for ever: time is paused, so the bound costs nothing.
async fn until_shutdown(
    services: Vec<Running>,
    shutdown: &Shutdown,
    drain: Duration,
) -> Result<(), ServiceError> {
    let ends = run_until_shutdown(services, shutdown, drain);
    tokio::time::timeout(Duration::from_secs(3600), ends).await.expect("it ends")
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_the_tasks() {
    let (tasks, running) = service("im-user");
    let finished = Arc::new(AtomicUsize::new(0));
    let (shutdown, count) = (tasks.shutdown().clone(), finished.clone());
    tasks.spawn_essential("listener", async move {
        shutdown.triggered().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        count.fetch_add(1, Ordering::SeqCst);
    });
    running.stop(DRAIN).await.unwrap();
    assert_eq!(finished.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn stopping_has_a_bound() {
    let (tasks, running) = service("im-user");
    tasks.spawn("connection", std::future::pending());
    let error = running.stop(DRAIN).await.unwrap_err();
    assert_eq!(error, ServiceError::DrainTimeout { service: "im-user", left: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_any_task_ends_all_services_with_an_error() {
    let (user, user_running) = service("im-user");
    let (group, group_running) = service("im-group");
    user.spawn_essential("listener", user.shutdown().clone().into_triggered());
    group.spawn("connection", async { panic!("a bug") });
    let shutdown = Shutdown::new();
    let error =
        until_shutdown(vec![user_running, group_running], &shutdown, DRAIN).await.unwrap_err();
    assert_eq!(error, ServiceError::Panicked { service: "im-group", task: "connection" });
    assert!(shutdown.is_triggered() && user.shutdown().is_triggered());
}

#[tokio::test(start_paused = true)]
async fn the_early_end_of_an_essential_task_is_an_error_and_of_another_is_not() {
    let (tasks, running) = service("im-user");
    tasks.spawn("connection", async {});
    tasks.spawn_essential("listener", async {
        // Later than the connection, so that its end alone is seen to change nothing.
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let error = until_shutdown(vec![running], &Shutdown::new(), DRAIN).await.unwrap_err();
    assert_eq!(error.to_string(), "im-user: its task `listener` ended unexpectedly");
}

#[tokio::test(start_paused = true)]
async fn services_stop_in_the_reverse_of_their_order() {
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut services = Vec::new();
    for name in ["im-user", "im-message", "im-gateway"] {
        let (tasks, running) = service(name);
        let (shutdown, order) = (tasks.shutdown().clone(), order.clone());
        tasks.spawn_essential("listener", async move {
            shutdown.triggered().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            order.lock().unwrap().push(name);
        });
        services.push(running);
    }
    let shutdown = Shutdown::new();
    shutdown.trigger();
    until_shutdown(services, &shutdown, DRAIN).await.unwrap();
    assert_eq!(*order.lock().unwrap(), ["im-gateway", "im-message", "im-user"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_drain_still_leaves_the_next_one_a_chance() {
    let (user, user_running) = service("im-user");
    let (gateway, gateway_running) = service("im-gateway");
    let handed_over = Arc::new(AtomicUsize::new(0));
    let (shutdown, count) = (user.shutdown().clone(), handed_over.clone());
    user.spawn_essential("listener", async move {
        shutdown.triggered().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        count.fetch_add(1, Ordering::SeqCst);
    });
    gateway.spawn("connection", std::future::pending());
    let shutdown = Shutdown::new();
    shutdown.trigger();
    until_shutdown(vec![user_running, gateway_running], &shutdown, DRAIN).await.unwrap();
    assert_eq!(handed_over.load(Ordering::SeqCst), 1);
}

#[test]
fn a_runtime_that_goes_away_is_no_failure_of_its_services() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (tasks, running) = service("im-user");
    runtime.block_on(async { tasks.spawn_essential("listener", std::future::pending::<()>()) });
    drop(runtime);
    assert!(!tasks.shutdown().is_triggered());
    drop(running);
}

#[derive(Debug, thiserror::Error)]
#[error("the instance id `blue` is taken")]
struct Refused;

#[tokio::test(start_paused = true)]
async fn what_an_essential_task_fails_with_is_what_the_process_says() {
    let (tasks, running) = service("im-user");
    tasks.spawn_essential("server", async { Err::<(), _>(Refused) });
    let error = until_shutdown(vec![running], &Shutdown::new(), DRAIN).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "im-user: its task `server` failed: the instance id `blue` is taken"
    );
}

#[tokio::test(start_paused = true)]
async fn an_essential_task_may_end_well_and_fail_during_the_shutdown() {
    let (tasks, running) = service("im-user");
    let ended = tasks.shutdown().clone();
    tasks.spawn_essential("listener", async move {
        ended.triggered().await;
        Ok::<(), Refused>(())
    });
    let ended = tasks.shutdown().clone();
    tasks.spawn_essential("server", async move {
        ended.triggered().await;
        Err::<(), _>(Refused)
    });
    let error = running.stop(DRAIN).await.unwrap_err();
    assert!(matches!(error, ServiceError::Failed { task: "server", .. }), "{error}");
}
