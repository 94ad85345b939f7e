//! What a session says about how its messages are sent, and what it is told of how far others are.

use mpim_proto::event::Content;
use mpim_proto::{Event, EventDelivery, Priority, PushEventsReq, ReceiptEvent};
use mprpc::Context;

use crate::client::SOON;
use crate::fakes::Asked;
use crate::system::System;

impl System {
    /// As im-presence tells user 1 how far user 2 is.
    async fn push_receipt(&self, group_id: i64, delivered_seq: i64, read_seq: i64) {
        let receipt = ReceiptEvent { user_id: 2, group_id, delivered_seq, read_seq };
        let event = Some(Event { content: Some(Content::Receipt(receipt)) });
        let events = vec![EventDelivery { event, recipients: vec![1] }];
        let request = PushEventsReq { gateway_boot_id: self.boot_id(), events };
        let answer = self.gateway.push_events(&Context::with_timeout(SOON), request).await;
        assert!(answer.unwrap().result.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_session_with_receipts_learns_the_numbers_of_its_messages_and_how_far_others_are() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    let _bob = system.register("bob").await;
    system.push_receipt(0, 9, 0).await;
    assert_eq!(ada.ask("SEND 2 a").await, "+OK msg_id=1", "as ever");
    assert_eq!(ada.ask("RECEIPTS on").await, "+OK receipts on", "nothing came before");
    assert_eq!(ada.ask("SEND 2 b").await, "+OK msg_id=2 seq=2");
    system.push_receipt(0, 2, 0).await;
    assert_eq!(ada.line().await, "RECEIPT from=2 delivered=2");
    system.push_receipt(4, 0, 7).await;
    assert_eq!(ada.line().await, "RECEIPT from=2 group=4 read=7");
    assert_eq!(ada.ask("RECEIPTS off").await, "+OK receipts off");
    system.push_receipt(0, 3, 3).await;
    assert_eq!(ada.ask("SEND 2 c").await, "+OK msg_id=3");
    let asked = system.asked().into_iter().filter_map(|asked| match asked {
        Asked::Send { receipts, .. } => Some(receipts),
        _ => None,
    });
    assert_eq!(asked.collect::<Vec<_>>(), [false, true, false]);
}

#[tokio::test]
async fn the_priority_of_a_session_is_that_of_what_it_sends_from_then_on() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    let _bob = system.register("bob").await;
    ada.send(b"SEND 2 a\nPRIORITY urgent\nSEND 2 b\nSEND 1 c\nPRIORITY low\nSEND 2 d\n").await;
    let replies = ada.lines(6).await;
    assert_eq!((&*replies[1], &*replies[4]), ("+OK priority urgent", "+OK priority low"));
    let mut asked: Vec<(String, Priority)> = Vec::new();
    for sent in system.asked() {
        if let Asked::Send { texts, priority, .. } = sent {
            asked.extend(texts.into_iter().map(|text| (text, priority)));
        }
    }
    asked.sort_by(|one, other| one.0.cmp(&other.0));
    let of = |text: &str, priority| (text.to_owned(), priority);
    let (normal, urgent, low) = (Priority::Normal, Priority::Urgent, Priority::Low);
    assert_eq!(asked, [of("a", normal), of("b", urgent), of("c", urgent), of("d", low)]);
}
