//! What is remembered, and what many who ask at once cost im-user.

use futures_util::future::join_all;

use super::*;
use crate::tests::neighbours;

fn config() -> UsersConfig {
    UsersConfig { denied_ms: 600_000, ..UsersConfig::default() }
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(10))
}

/// Polls until so many wait for an answer.
async fn until_waiting<T>(
    mut asked: std::pin::Pin<&mut impl Future<Output = T>>,
    users: &Users<neighbours::Users>,
    count: usize,
) {
    loop {
        tokio::select! {
            biased;
            _ = &mut asked => panic!("im-user has not answered"),
            () = tokio::task::yield_now() => {}
        }
        if users.0.lock().waiting.values().map(Vec::len).sum::<usize>() == count {
            return;
        }
    }
}

#[tokio::test]
async fn once_the_cache_is_full_a_newcomer_who_is_written_to_often_is_remembered() {
    let im_user = neighbours::Users::new([1, 2]);
    let users = Users::new(im_user.clone(), &UsersConfig { cached_max: 1, ..config() });
    for uid in [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2] {
        assert!(users.exists(&cx(), uid).await.unwrap());
        users.0.existing.run_pending_tasks().await;
    }
    assert!(im_user.asked() < 5, "asked {} times", im_user.asked());
}

#[tokio::test]
async fn many_who_ask_at_once_share_a_call_whomever_they_ask_about() {
    let im_user = neighbours::Users::new(1..=100);
    im_user.close_gate();
    let users = Users::new(im_user.clone(), &config());
    let cx = cx();
    let mut asked = Box::pin(join_all((0..1_000).map(|n| users.exists(&cx, n % 200 + 1))));
    until_waiting(asked.as_mut(), &users, 1_000).await;
    im_user.open_gate();
    for (n, answer) in asked.await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), n % 200 < 100, "{n}");
    }
    // Those that were out, and one for all who came meanwhile.
    assert!(im_user.asked() <= config().calls_max + 1, "{} calls", im_user.asked());
    assert!(users.0.lock().waiting.is_empty(), "nothing is kept of who has been answered");
}

#[tokio::test]
async fn with_cold_caches_only_so_many_calls_are_out_at_once() {
    let im_user = neighbours::Users::new(1..=2_000);
    im_user.close_gate();
    let users = Users::new(im_user.clone(), &UsersConfig { calls_max: 3, ..config() });
    let cx = cx();
    let mut asked = Box::pin(join_all((1..=2_000).map(|uid| users.exists(&cx, uid))));
    until_waiting(asked.as_mut(), &users, 2_000).await;
    assert_eq!(users.0.lock().calls, 3);
    im_user.open_gate();
    assert!(asked.await.into_iter().all(|answer| answer.unwrap()));
    let calls = im_user.asked();
    assert!(calls <= 3 + 2_000_usize.div_ceil(BATCH_MAX), "{calls} calls");
    assert_eq!(users.0.lock().calls, 0);
}

#[tokio::test]
async fn a_denial_is_remembered_of_ids_that_were_passed_over_and_of_no_others() {
    let highest = 50_000;
    let im_user = neighbours::Users::new([highest]);
    let users = Users::new(im_user.clone(), &config());
    let exists = async |uid| users.exists(&cx(), uid).await.unwrap();
    assert!(exists(highest).await);
    let mut calls = im_user.asked();
    // Passed over; perhaps being registered right now; not given yet.
    for (uid, asks) in [(7, false), (highest - 5, true), (highest + 1, true), (i64::MAX, true)] {
        for _ in 0..3 {
            assert!(!exists(uid).await);
        }
        let expected = if asks { 3 } else { 1 };
        assert_eq!(im_user.asked() - calls, expected, "{uid}");
        calls = im_user.asked();
    }
    im_user.register_id(highest + 1);
    assert!(exists(highest + 1).await, "whoever registers can be written to at once");
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_wait_and_remembered_by_nobody() {
    let im_user = neighbours::Users::new([1]);
    let users = Users::new(im_user.clone(), &config());
    im_user.set_down(true);
    let cx = cx();
    for answer in join_all((0..5).map(|_| users.exists(&cx, 1))).await {
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    }
    im_user.set_down(false);
    assert!(users.exists(&cx, 1).await.unwrap());
}

#[tokio::test]
async fn the_question_of_a_caller_who_went_away_is_answered_to_the_others() {
    let im_user = neighbours::Users::new([1]);
    im_user.close_gate();
    let users = Users::new(im_user.clone(), &config());
    let cx = cx();
    let mut first = Box::pin(users.exists(&cx, 1));
    tokio::select! {
        biased;
        _ = &mut first => panic!("im-user has not answered"),
        () = im_user.until_asked(1) => {}
    }
    let second = users.exists(&cx, 1);
    drop(first);
    im_user.open_gate();
    assert!(second.await.unwrap());
    assert_eq!(im_user.asked(), 1);
}

#[test]
fn denials_end_at_times_of_their_own() {
    let whole = Duration::from_secs(600);
    let now = tokio::time::Instant::now().into_std();
    let lives: Vec<Duration> =
        (0..64).map(|uid| Jittered(whole).expire_after_create(&uid, &(), now).unwrap()).collect();
    assert!(lives.iter().all(|life| (whole / 2..=whole).contains(life)), "{lives:?}");
    let (first, last) = (lives.iter().min().unwrap(), lives.iter().max().unwrap());
    // Spread over half of it: of 64 the chance that all fall into half of that is 2^-58.
    assert!(*last - *first > whole / 4, "{lives:?}");
}

#[tokio::test]
async fn a_denial_ends_and_im_user_is_asked_again() {
    let im_user = neighbours::Users::new([50_000]);
    let users = Users::new(im_user.clone(), &UsersConfig { denied_ms: 30, ..config() });
    assert!(users.exists(&cx(), 50_000).await.unwrap());
    assert!(!users.exists(&cx(), 7).await.unwrap());
    let asked = im_user.asked();
    let ends = async {
        while im_user.asked() == asked {
            assert!(!users.exists(&cx(), 7).await.unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ends).await.expect("it is denied for ever");
}
