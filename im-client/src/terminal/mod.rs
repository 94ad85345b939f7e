//! What a person sees and types: a line editor on a terminal, plain lines on a pipe.

mod keyboard;
mod render;
mod screen;
mod session;

pub(crate) use self::{
    keyboard::Keyboard,
    screen::Screen,
    session::{Left, run},
};
use rustyline::{DefaultEditor, ExternalPrinter as _};
use std::io::{self, IsTerminal as _, Write as _};

/// Opens what standard input and output are.
pub(crate) fn open() -> rustyline::Result<(Keyboard, Screen)> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        let screen = Screen::new(|line| writeln!(io::stdout(), "{line}"));
        return Ok((Keyboard::piped(), screen));
    }
    let mut editor = DefaultEditor::new()?;
    match editor.create_external_printer() {
        // Prints above the line that is being typed, and draws that again.
        Ok(mut printer) => {
            let print = move |line| printer.print(format!("{line}\n")).map_err(io::Error::other);
            Ok((Keyboard::interactive(editor), Screen::new(print)))
        }
        // A terminal that cannot move its cursor (`TERM=dumb`): lines as they come.
        Err(_) => {
            let screen = Screen::new(|line| writeln!(io::stdout(), "{line}"));
            Ok((Keyboard::interactive(editor), screen))
        }
    }
}
