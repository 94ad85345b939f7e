//! Finds what a Markdown text cites. Knows as much Markdown as our documents use.

/// Something that a document says exists.
pub(super) enum Citation<'a> {
    /// The target of a link that does not lead to the web.
    Link(&'a str),
    /// The text between back ticks.
    Named(&'a str),
    /// A word of a fenced block, or of a command between back ticks.
    Shown(&'a str),
}

/// All citations, each with the number of its line.
pub(super) fn citations(text: &str) -> Vec<(usize, Citation<'_>)> {
    let mut found = Vec::new();
    let mut in_fence = false;
    let mut foreign_columns = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        } else if in_fence {
            found.extend(words(line).map(|word| (number, Citation::Shown(word))));
        } else if line.starts_with('|') {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            if foreign_columns.is_empty() {
                foreign_columns = cells.iter().map(|cell| cell.contains("C++")).collect();
            }
            for (cell, foreign) in cells.iter().zip(&foreign_columns) {
                if !foreign {
                    prose(cell, number, &mut found);
                }
            }
        } else {
            foreign_columns.clear();
            prose(line, number, &mut found);
        }
    }
    found
}

/// Adds what a line outside of fences cites.
fn prose<'a>(line: &'a str, number: usize, found: &mut Vec<(usize, Citation<'a>)>) {
    // Every second piece stands between back ticks.
    for (index, piece) in line.split('`').enumerate() {
        if index % 2 == 0 {
            found.extend(links(piece).map(|target| (number, Citation::Link(target))));
        } else if piece.contains(' ') {
            found.extend(words(piece).map(|word| (number, Citation::Shown(word))));
        } else {
            found.push((number, Citation::Named(piece)));
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "\"'()<>,;=│├└─".contains(c))
        .filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./*".contains(c)))
}

fn links(piece: &str) -> impl Iterator<Item = &str> {
    piece.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?;
        (!target.contains("://") && !target.starts_with("mailto:")).then_some(target)
    })
}
