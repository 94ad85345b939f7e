//! The terminal client, driven as a script would.

use std::process::Stdio;

use mpim_tests::{DEADLINE, PASSWORD, Process, Service, Stack, StackBuilder};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

on_all_stacks! {
    two_people_chat_in_either_spelling,
    it_comes_back_when_the_gateway_does,
}

/// A terminal client with pipes for a terminal.
struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Terminal {
    fn open(stack: &Stack) -> Self {
        let mut child = Process::new("im-client", stack.directory())
            .argument("--server")
            .argument(stack.text_address().to_string())
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keyboard = child.stdin.take().unwrap();
        let screen = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, keyboard, screen, seen: Vec::new() }
    }

    async fn types(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next line that starts so; others before it are passed over.
    async fn shows(&mut self, start: &str) -> String {
        let shown = timeout(DEADLINE, async {
            while let Some(line) = self.screen.next_line().await.unwrap() {
                self.seen.push(line.clone());
                if line.starts_with(start) {
                    return Some(line);
                }
            }
            None
        });
        match shown.await {
            Ok(Some(line)) => line,
            ended => panic!("{start:?} was not shown ({ended:?}), but {:#?}", self.seen),
        }
    }

    /// Ends the input; the program ends by itself.
    async fn close(self) {
        let Self { mut child, keyboard, .. } = self;
        drop(keyboard);
        let status = timeout(DEADLINE, child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{status}");
    }
}

async fn two_people_chat_in_either_spelling(stack: StackBuilder) {
    let stack = stack.start().await;
    let mut ada = Terminal::open(&stack);
    ada.types(&format!("register:ada:{PASSWORD}")).await;
    ada.shows("you are uid 1").await;
    let mut bob = Terminal::open(&stack);
    bob.types(&format!("register bob {PASSWORD}")).await;
    bob.shows("you are uid 2").await;
    ada.types("addfriend:2").await;
    ada.shows("friend added").await;
    bob.types("getfriends").await;
    bob.shows("friends: 1").await;
    ada.types("chat:2:it is 10:30, bob").await;
    ada.shows("sent, msg_id=").await;
    assert_eq!(bob.shows("<1>").await, "<1> it is 10:30, bob");
    bob.types("chat 1 so it is: 10:30").await;
    assert_eq!(ada.shows("<2>").await, "<2> so it is: 10:30");
    ada.types("creategroup:crew:those who row").await;
    ada.shows("group_id=1").await;
    bob.types("joingroup 1").await;
    bob.shows("joined group").await;
    ada.types("sendgroup:1:hello crew").await;
    assert_eq!(bob.shows("<1 in group").await, "<1 in group 1> hello crew");
    bob.types("logout").await;
    bob.shows("logout success").await;
    ada.types("chat 2 while you were out").await;
    ada.shows("sent, msg_id=").await;
    bob.types(&format!("login:bob:{PASSWORD}")).await;
    bob.shows("you are uid 2").await;
    assert_eq!(bob.shows("<1>").await, "<1> while you were out");
    bob.types("pull").await;
    bob.shows("pull_done").await;
    bob.types("history:1").await;
    bob.shows("1. <1> it is 10:30, bob").await;
    bob.types("chat:99:anybody there?").await;
    bob.shows("error: no such user").await;
    bob.types("chta:1:hello").await;
    bob.shows("error: there is no command \"chta\"").await;
    ada.close().await;
    bob.close().await;
}

async fn it_comes_back_when_the_gateway_does(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let mut ada = Terminal::open(&stack);
    ada.types(&format!("register ada {PASSWORD}")).await;
    ada.shows("you are uid 1").await;
    let gateway = stack.process_of(Service::Gateway);
    stack.kill(&gateway).await;
    ada.shows("* not connected").await;
    stack.restart(&gateway).await;
    ada.shows("* connected again, logged in as uid 1").await;
    ada.types("whoami").await;
    ada.shows("you are uid 1").await;
    ada.close().await;
}
