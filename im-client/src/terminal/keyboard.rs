//! The lines that come in.

use crate::command;
use rustyline::{DefaultEditor, error::ReadlineError};
use std::{io, sync::mpsc as blocking, thread};
use tokio::sync::mpsc;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Line(String),
    /// Ctrl-D, or the end of the pipe.
    End,
    /// Ctrl-C.
    Interrupted,
}

/// Reads lines on a thread of its own, since a read cannot be given up once it waits.
pub(crate) struct Keyboard {
    typed: mpsc::Receiver<Typed>,
    /// Asks the line editor for the next line. A pipe is not asked.
    prompts: Option<blocking::Sender<String>>,
}

impl Keyboard {
    /// A person at a line editor, who gets a prompt for each line.
    pub(crate) fn interactive(mut editor: DefaultEditor) -> Self {
        let (to_session, typed) = mpsc::channel(1);
        let (prompts, asked) = blocking::channel::<String>();
        thread::spawn(move || {
            for prompt in asked {
                let typed = match editor.readline(&prompt) {
                    Ok(line) => {
                        if command::may_be_remembered(&line) {
                            // Only in memory; a full history forgets.
                            let _ = editor.add_history_entry(&line);
                        }
                        Typed::Line(line)
                    }
                    Err(ReadlineError::Interrupted) => Typed::Interrupted,
                    Err(_) => Typed::End,
                };
                if to_session.blocking_send(typed).is_err() {
                    return;
                }
            }
        });
        Self { typed, prompts: Some(prompts) }
    }

    /// A pipe or a file.
    pub(crate) fn piped() -> Self {
        let (to_session, typed) = mpsc::channel(1);
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut stdin = io::stdin().lock();
            loop {
                bytes.clear();
                let typed = match io::BufRead::read_until(&mut stdin, b'\n', &mut bytes) {
                    Ok(1..) => Typed::Line(String::from_utf8_lossy(&bytes).into_owned()),
                    Ok(0) | Err(_) => Typed::End,
                };
                let ended = typed == Typed::End;
                if to_session.blocking_send(typed).is_err() || ended {
                    return;
                }
            }
        });
        Self { typed, prompts: None }
    }

    pub(crate) fn is_interactive(&self) -> bool {
        self.prompts.is_some()
    }

    /// The next line. Cancel safe only in that nothing is lost; ask once and wait.
    pub(crate) async fn next(&mut self, prompt: String) -> Typed {
        if let Some(prompts) = &self.prompts
            && prompts.send(prompt).is_err()
        {
            return Typed::End;
        }
        self.typed.recv().await.unwrap_or(Typed::End)
    }
}
