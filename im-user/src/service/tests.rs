//! The service as its callers see it: the generated trait, called in process, on SQLite.

use std::sync::Arc;

use mpim_proto::user_service::Server as _;
use mpim_proto::{Code, GetUsersReq, LoginReq, LoginResp, RegisterReq, RegisterResp};
use tokio::task::JoinSet;

use crate::testing::{Fixture, cx, log_in, register};

const PASSWORD: &str = "correct horse";

#[track_caller]
fn assert_says(result: impl Into<Option<mpim_proto::Result>>, code: Code, msg: &str) {
    let result = result.into().expect("every answer carries a result");
    assert_eq!((result.code(), result.msg.as_str()), (code, msg));
}

#[tokio::test]
async fn who_registers_can_log_in_and_gets_the_same_id() {
    let fixture = Fixture::new();
    let registered = fixture.register("Alice", PASSWORD).await;
    assert_says(registered.result, Code::Ok, "ok");
    assert_eq!(registered.user_id, 1);
    for name in ["Alice", "alice"] {
        let logged_in = fixture.log_in(name, PASSWORD).await;
        assert_says(logged_in.result, Code::Ok, "ok");
        assert_eq!(logged_in.user_id, 1);
        let (result, user_id) = fixture.verify_token(&logged_in.token).await;
        assert_says(result, Code::Ok, "ok");
        assert_eq!(user_id, 1);
    }
}

#[tokio::test]
async fn registering_is_refused_in_the_words_of_the_protocol() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let long = "x".repeat(1025);
    let cases = [
        ("alice", PASSWORD, "exists"),
        ("ALICE", PASSWORD, "exists"),
        ("", PASSWORD, "bad username"),
        ("two words", PASSWORD, "bad username"),
        ("a\nb", PASSWORD, "bad username"),
        ("bob", "short", "weak password"),
        ("bob", &long, "weak password"),
    ];
    for (name, password, msg) in cases {
        let answer = fixture.register(name, password).await;
        assert_says(answer.result, Code::Invalid, msg);
        assert_eq!((answer.user_id, answer.token.as_str()), (0, ""));
    }
    assert_eq!(fixture.register("bob", PASSWORD).await.user_id, 2, "refusals used up ids");
}

#[tokio::test]
async fn the_shortest_password_is_configured() {
    let fixture = Fixture::with(|config| config.password.length_min = 6);
    assert!(fixture.register("alice", "123456").await.result.unwrap().is_ok());
    assert_says(fixture.register("bob", "12345").await.result, Code::Invalid, "weak password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_register_one_name_at_once_exactly_one_gets_it() {
    let fixture = Fixture::new();
    let mut callers = JoinSet::new();
    for caller in 0..20 {
        let service = Arc::clone(&fixture.service);
        let password = format!("{PASSWORD} {caller}");
        callers.spawn(async move {
            let answer = register(&service, "alice", &password).await.unwrap();
            (answer, password)
        });
    }
    let answers = callers.join_all().await;
    let is_ok = |answer: &RegisterResp| answer.result.as_ref().unwrap().is_ok();
    let (winners, others): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(answer, _)| is_ok(answer));
    assert_eq!(winners.len(), 1);
    assert!(others.iter().all(|(answer, _)| answer.result.as_ref().unwrap().msg == "exists"));
    let (winner, password) = &winners[0];
    assert_eq!(fixture.log_in("alice", password).await.user_id, winner.user_id);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let wrong = fixture.log_in("alice", "wrong horse").await;
    assert_says(wrong.result.clone(), Code::Invalid, "bad cred");
    let long = "x".repeat(100_000);
    let unknown =
        [("bob", PASSWORD), ("", ""), ("a b", PASSWORD), ("alice", &long), (&long, PASSWORD)];
    for (name, password) in unknown {
        assert_eq!(fixture.log_in(name, password).await, wrong);
    }
}

#[tokio::test]
async fn guessing_is_stopped_for_known_and_unknown_names_alike() {
    let fixture = Fixture::with(|config| config.log_in.free = 5);
    fixture.register("alice", PASSWORD).await;
    for name in ["alice", "nobody"] {
        for _ in 0..5 {
            let guess = fixture.log_in(name, "wrong horse").await;
            assert_says(guess.result, Code::Invalid, "bad cred");
        }
        let stopped = fixture.log_in(name, PASSWORD).await;
        assert_says(stopped.result, Code::Invalid, "too many attempts");
        assert_eq!((stopped.token.as_str(), stopped.retry_after_ms), ("", 500));
    }
}

#[tokio::test]
async fn the_victim_of_guessing_gets_in_again_and_at_once_where_they_are_known() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let log_in = async |password: &str, address: &str| {
        let (username, password) = ("alice".into(), password.to_owned().into());
        let address = address.to_owned();
        let req = LoginReq { username, password, address, ..LoginReq::default() };
        fixture.service.login(&cx(), req).await.unwrap()
    };
    assert_eq!(log_in(PASSWORD, "192.0.2.1").await.user_id, 1);
    let longest_ms = i64::from(fixture.config.log_in.delay_max_ms);
    // The last one fails, and is not waited for.
    for _ in 0..21 {
        let refused = log_in("wrong horse", "198.51.100.1").await;
        assert!(refused.retry_after_ms <= longest_ms, "{refused:?}");
        fixture.clock.advance_ms(refused.retry_after_ms);
    }
    assert_says(log_in(PASSWORD, "203.0.113.1").await.result, Code::Invalid, "too many attempts");
    assert_eq!(log_in(PASSWORD, "192.0.2.1").await.user_id, 1);
    fixture.clock.advance_ms(longest_ms);
    assert_eq!(log_in(PASSWORD, "203.0.113.1").await.user_id, 1);
}

#[tokio::test]
async fn an_address_makes_so_many_accounts_and_is_told_when_it_may_make_one_more() {
    let fixture = Fixture::with(|config| config.log_in.registrations_free = 2);
    let register = async |name: &str, password: &str, address: &str| {
        let (username, password) = (name.to_owned().into(), password.to_owned().into());
        let address = address.to_owned();
        let req = RegisterReq { username, password, address, ..RegisterReq::default() };
        let answer = fixture.service.register(&cx(), req).await.unwrap();
        (answer.result.unwrap().msg, answer.retry_after_ms)
    };
    let ok = ("ok".to_owned(), 0);
    for _ in 0..3 {
        let refused = register("a b", PASSWORD, "192.0.2.1").await;
        assert_eq!(refused, ("bad username".to_owned(), 0), "what is none costs none");
    }
    assert_eq!(register("a", PASSWORD, "192.0.2.1").await, ok);
    assert_eq!(register("a", PASSWORD, "192.0.2.1").await, ("exists".to_owned(), 0));
    let limited = ("too many attempts".to_owned(), 500);
    assert_eq!(register("b", PASSWORD, "192.0.2.1").await, limited);
    assert_eq!(register("a", PASSWORD, "192.0.2.1").await, limited, "nor is it told who exists");
    for (name, address) in [("c", "192.0.2.2"), ("d", "127.0.0.1"), ("e", "127.0.0.1"), ("f", "")] {
        assert_eq!(register(name, PASSWORD, address).await, ok, "{address}");
    }
    assert_eq!(log_in(&fixture.service, "a", PASSWORD).await.unwrap().user_id, 1);
    fixture.clock.advance_ms(500);
    assert_eq!(register("b", PASSWORD, "192.0.2.1").await, ok);
    assert_eq!(register("g", PASSWORD, "192.0.2.1").await.1, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_that_wait_together_do_not_get_around_the_limit() {
    let fixture = Fixture::with(|config| {
        config.log_in.free = 5;
        config.password.hashes_concurrent_max = 2;
    });
    fixture.register("alice", PASSWORD).await;
    let mut guesses = JoinSet::new();
    for _ in 0..100 {
        let service = Arc::clone(&fixture.service);
        guesses.spawn(async move { log_in(&service, "alice", "wrong horse").await.unwrap() });
    }
    let answers = guesses.join_all().await;
    let checked = |answer: &&LoginResp| answer.result.as_ref().unwrap().msg == "bad cred";
    let checked = answers.iter().filter(checked).count();
    assert!((5..=6).contains(&checked), "{checked} guesses were checked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_log_ins_at_once_all_succeed_with_the_default_limits() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        let service = Arc::clone(&fixture.service);
        callers.spawn(async move { log_in(&service, "alice", PASSWORD).await.unwrap() });
    }
    for answer in callers.join_all().await {
        assert_says(answer.result, Code::Ok, "ok");
    }
}

#[tokio::test]
async fn more_than_can_wait_for_a_hash_are_told_to_come_back() {
    let fixture = Fixture::with(|config| {
        config.password.hashes_concurrent_max = 1;
        config.password.hashes_waiting_max = 1;
    });
    let _computing = fixture.service.users.hasher.slot().await.unwrap();
    // Polled once, so it waits for its turn for as long as this test lives.
    let mut waiting = Box::pin(fixture.service.users.hasher.slot());
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("two hashes at once"),
        () = std::future::ready(()) => {}
    }
    let status = log_in(&fixture.service, "alice", PASSWORD).await.unwrap_err();
    assert_eq!(status.code(), mprpc::Code::ResourceExhausted);
}

#[tokio::test]
async fn a_token_dies_with_its_log_out_for_good() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let one = fixture.log_in("alice", PASSWORD).await.token;
    let two = fixture.log_in("alice", PASSWORD).await.token;
    assert_says(fixture.log_out(1, &one).await, Code::Ok, "logout success");
    assert_says(fixture.log_out(1, &one).await, Code::Ok, "logout success");

    let fixture = fixture.reopen();
    assert_says(fixture.verify_token(&one).await.0, Code::Invalid, "invalid token");
    let (result, user_id) = fixture.verify_token(&two).await;
    assert!(result.is_ok(), "another session of the same user lives on");
    assert_eq!(user_id, 1);
}

#[tokio::test]
async fn a_revoked_token_stays_so_by_a_clock_that_is_an_hour_behind_the_one_it_expired_by() {
    let fixture = Fixture::new();
    let revoked = fixture.register("alice", PASSWORD).await.token;
    fixture.log_out(1, &revoked).await;
    let ttl_ms = i64::from(fixture.config.token.ttl_s) * 1000;
    fixture.clock.advance_ms(ttl_ms + 60_000);
    // Each makes the store forget some that expired.
    for _ in 0..3 {
        let token = fixture.log_in("alice", PASSWORD).await.token;
        fixture.log_out(1, &token).await;
    }
    fixture.clock.advance_ms(-3_600_000);
    assert_says(fixture.verify_token(&revoked).await.0, Code::Invalid, "invalid token");
}

#[tokio::test]
async fn only_the_own_token_logs_out() {
    let fixture = Fixture::new();
    let alice = fixture.register("alice", PASSWORD).await;
    fixture.register("bob", PASSWORD).await;
    for token in [alice.token.as_str(), "", "tok_1", "tok_", "tok_02", "nonsense"] {
        assert_says(fixture.log_out(2, token).await, Code::Invalid, "invalid token");
    }
    assert!(fixture.verify_token(&alice.token).await.0.is_ok());
    assert_says(fixture.log_out(2, "tok_2").await, Code::Ok, "logout success");
}

#[tokio::test]
async fn an_expired_token_is_refused_and_logging_it_out_is_no_error() {
    let fixture = Fixture::new();
    let token = fixture.register("alice", PASSWORD).await.token;
    fixture.clock.advance_ms(i64::from(fixture.config.token.ttl_s) * 1000);
    assert_says(fixture.verify_token(&token).await.0, Code::Invalid, "token expired");
    assert_says(fixture.log_out(1, &token).await, Code::Ok, "logout success");
}

#[tokio::test]
async fn a_token_of_an_instance_whose_clock_is_ahead_is_no_forgery_and_can_be_logged_out() {
    let fixture = Fixture::new();
    let alice = fixture.register("alice", PASSWORD).await.token;
    fixture.register("bob", PASSWORD).await;
    fixture.clock.advance_ms(-3_600_000);
    let (result, user_id) = fixture.verify_token(&alice).await;
    assert_says(result, Code::Invalid, "token not yet valid");
    assert_eq!(user_id, 0);
    let (rest, signature) = alice.rsplit_once('.').unwrap();
    let forged = format!("{rest}.{}", signature.chars().rev().collect::<String>());
    assert_says(fixture.verify_token(&forged).await.0, Code::Invalid, "invalid token");
    assert_says(fixture.log_out(2, &alice).await, Code::Invalid, "invalid token");
    assert_says(fixture.log_out(1, &alice).await, Code::Ok, "logout success");
    assert_says(fixture.verify_token(&alice).await.0, Code::Invalid, "invalid token");
    fixture.clock.advance_ms(3_600_000);
    assert_says(fixture.verify_token(&alice).await.0, Code::Invalid, "invalid token");
}

#[tokio::test]
async fn friends_see_each_other_until_one_of_them_ends_it() {
    let fixture = Fixture::new();
    for name in ["alice", "bob", "carol"] {
        fixture.register(name, PASSWORD).await;
    }
    assert_says(fixture.add_friend(1, 2).await, Code::Ok, "friend added");
    assert_says(fixture.add_friend(2, 1).await, Code::Invalid, "already friends");
    assert_says(fixture.add_friend(3, 1).await, Code::Ok, "friend added");
    assert_eq!(fixture.friends(1).await, [2, 3]);
    assert_eq!(fixture.friends(2).await, [1]);

    assert_says(fixture.remove_friend(2, 1).await, Code::Ok, "friend removed");
    assert_says(fixture.remove_friend(1, 2).await, Code::NotFound, "friend not found");
    assert_eq!(fixture.friends(1).await, [3]);
    assert_eq!(fixture.friends(2).await, [] as [i64; 0]);
}

#[tokio::test]
async fn nobody_befriends_themselves_or_someone_who_does_not_exist() {
    let fixture = Fixture::with(|config| config.friends.per_user_max = 1);
    for name in ["alice", "bob", "carol"] {
        fixture.register(name, PASSWORD).await;
    }
    assert_says(fixture.add_friend(1, 1).await, Code::Invalid, "bad friend_id");
    for nobody in [99, 0, -1] {
        assert_says(fixture.add_friend(1, nobody).await, Code::NotFound, "friend not found");
    }
    fixture.add_friend(1, 2).await;
    assert_says(fixture.add_friend(3, 1).await, Code::Invalid, "too many friends");
}

#[tokio::test]
async fn users_that_exist_are_listed_with_the_name_they_chose() {
    let fixture = Fixture::new();
    fixture.register("Alice", PASSWORD).await;
    fixture.register("bob", PASSWORD).await;
    let ask = async |user_ids: Vec<i64>, names: &[&'static str]| {
        let usernames = names.iter().map(|name| (*name).into()).collect();
        let answer = fixture.service.get_users(&cx(), GetUsersReq { user_ids, usernames }).await?;
        let found = answer.users.into_iter().map(|user| (user.user_id, user.username));
        Ok::<Vec<_>, mprpc::Status>(found.collect())
    };
    let [alice, bob] = [(1, "Alice".to_owned()), (2, "bob".to_owned())];
    assert_eq!(ask(vec![1, 3], &[]).await.unwrap(), std::slice::from_ref(&alice));
    assert_eq!(ask(vec![], &["ALICE", "carol"]).await.unwrap(), std::slice::from_ref(&alice));
    assert_eq!(ask(vec![2], &["bob", "alice", "Alice"]).await.unwrap(), [alice, bob]);
    assert!(ask(vec![1; 499], &["bob"]).await.is_ok());
    let too_many = ask(vec![1; 500], &["bob"]).await.unwrap_err();
    assert_eq!(too_many.code(), mprpc::Code::InvalidArgument);
}
