//! Several devices of a user.

use crate::client::texts;
use crate::system::System;

#[tokio::test]
async fn a_connection_says_which_device_it_is_before_it_logs_in() {
    let system = System::start().await;
    let mut ada = system.connect().await;
    let too_long = format!("web:{}", "x".repeat(65));
    for (said, reply) in [
        ("DEVICE", "-ERR DEVICE <class>:<id>"),
        ("DEVICE ", "-ERR DEVICE <class>:<id>"),
        ("DEVICE phone:a", "-ERR bad device"),
        ("DEVICE web:", "-ERR bad device"),
        ("DEVICE web:a b", "-ERR bad device"),
        (&format!("DEVICE {too_long}"), "-ERR bad device"),
        ("DEVICE Web:a", "-ERR bad device"),
        ("DEVICE web:é", "-ERR bad device"),
        ("DEVICE web:a", "+OK device web:a"),
        ("DEVICE :", "-ERR bad device"),
        ("REGISTER ada password", "+OK uid=1"),
        ("DEVICE web:b", "-ERR already logged in"),
    ] {
        assert_eq!(ada.ask(said).await, reply, "{said}");
    }
    let bound: Vec<_> = system.fakes.state().routes.keys().cloned().collect();
    assert_eq!(bound, [(1, "web:a".to_owned())], "what was refused changed nothing");
}

#[tokio::test]
async fn other_devices_get_a_copy_of_what_one_sends_and_each_has_its_cursor() {
    let mut system = System::start().await;
    let mut text = system.register("ada").await;
    let mut bob = system.register("bob").await;
    let mut mobile = system.connect().await;
    assert_eq!(mobile.ask("DEVICE mobile:a").await, "+OK device mobile:a");
    assert_eq!(mobile.ask("LOGIN ada password").await, "+OK uid=1");
    assert_eq!(text.ask("DEVICES").await, "+OK devices: mobile:a online, text online");
    assert_eq!(mobile.ask("SEND 2 from the mobile").await, "+OK msg_id=1");
    let sent = system.fakes.state().timelines["c2c_1_2"][0].clone();
    assert_eq!(system.push(&[&sent], &[1, 2]).await.reached, 3);
    let copy = "MSG id=1 from=1 to=2 ts=1000 text=from the mobile";
    assert_eq!(text.line().await, copy);
    assert_eq!(bob.line().await, "MSG id=1 from=1 ts=1000 text=from the mobile");
    assert_eq!(mobile.ask("PULL").await, "+OK pull_done", "no copy for itself");
    assert_eq!(text.ask("SEND 2 from the text").await, "+OK msg_id=2");
    // Nobody pushes that one: it is fetched, and the sender's own is passed over then, too.
    let later = system.store("c2c_1_2", 2, "an answer");
    system.push(&[&later], &[1]).await;
    assert_eq!(texts(&mobile.lines(2).await), ["from the text", "an answer"]);
    assert_eq!(texts(&text.lines(1).await), ["an answer"]);
    system.cursor(1, "c2c_1_2", 3).await;
    system.cursor(1, "mobile:a c2c_1_2", 3).await;
}
