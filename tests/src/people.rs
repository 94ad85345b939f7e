//! Registered users.

use crate::{Stack, TextClient};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse 7";

/// A registered user with a connection on which they are logged in.
#[derive(Debug)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// Their number.
    pub uid: i64,
    /// Their connection.
    pub client: TextClient,
}

impl Person {
    /// Registers on a new connection.
    ///
    /// # Panics
    /// When the name is taken.
    pub async fn register(stack: &Stack, name: &str) -> Self {
        let mut client = stack.connect().await;
        let uid = client.number(&format!("REGISTER {name} {PASSWORD}"), "uid").await;
        Self { name: name.to_owned(), uid, client }
    }

    /// Logs in on a new connection. The old one, unless it is gone, is closed by the server.
    ///
    /// # Panics
    /// When that fails.
    pub async fn log_in(&mut self, stack: &Stack) {
        let mut client = stack.connect().await;
        let reply = format!("+OK uid={}", self.uid);
        client.expect(&format!("LOGIN {} {PASSWORD}", self.name), &reply).await;
        self.client = client;
    }

    /// Logs in on a connection that is this device; the person's other one stays.
    ///
    /// # Panics
    /// When that fails.
    pub async fn on_device(&self, stack: &Stack, device: &str) -> TextClient {
        let mut client = stack.connect().await;
        client.expect(&format!("DEVICE {device}"), &format!("+OK device {device}")).await;
        let reply = format!("+OK uid={}", self.uid);
        client.expect(&format!("LOGIN {} {PASSWORD}", self.name), &reply).await;
        client
    }

    /// Closes the connection, and answers with one that is logged in as nobody.
    pub async fn leave(&mut self, stack: &Stack) {
        self.client = stack.connect().await;
    }

    /// Sends a message that is taken; its id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn send(&mut self, to: i64, text: &str) -> i64 {
        self.client.number(&format!("SEND {to} {text}"), "msg_id").await
    }

    /// The same to a group.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn send_group(&mut self, group: i64, text: &str) -> i64 {
        self.client.number(&format!("SENDGROUP {group} {text}"), "group_msg_id").await
    }
}

/// Ada and bob.
pub async fn register_two(stack: &Stack) -> (Person, Person) {
    (Person::register(stack, "ada").await, Person::register(stack, "bob").await)
}
