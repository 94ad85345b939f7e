//! Statements over lists of values.
//!
//! Each length of a list would be a statement of its own, to be prepared and kept by every
//! connection. So lists that may hold a value twice are filled up to one of a few lengths, and rows
//! to insert are divided into pieces of a few lengths.

use mysql_async::{Params, Value};

/// Lengths of lists that are filled up.
const FILLED: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// Lengths of pieces. Every number up to the last is the sum of at most two.
const PIECES: [usize; 20] =
    [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64];

/// The most rows of one statement whose list is filled up.
pub(super) const LIST_MAX: usize = FILLED[FILLED.len() - 1];

/// `one, one, one`.
pub(super) fn repeated(one: &str, times: usize, between: &str) -> String {
    let mut text = String::with_capacity(times * (one.len() + between.len()));
    for n in 0..times {
        if n > 0 {
            text.push_str(between);
        }
        text.push_str(one);
    }
    text
}

/// The number of rows in the statement for these values of `width` columns, and the values filled up
/// by repeating the last row. At most [`LIST_MAX`] rows, at least one.
pub(super) fn filled(mut values: Vec<Value>, width: usize) -> (usize, Params) {
    let rows = values.len() / width;
    let length = FILLED.into_iter().find(|length| *length >= rows).unwrap_or(rows);
    let last = values.len().saturating_sub(width);
    for _ in rows..length {
        values.extend_from_within(last..last + width);
    }
    (length, Params::Positional(values))
}

/// Divides rows of `width` columns, in order, into the values of statements and their numbers of
/// rows.
pub(super) fn pieces(values: Vec<Value>, width: usize) -> Vec<(usize, Params)> {
    let mut left = values.len() / width;
    let mut values = values.into_iter();
    let mut pieces = Vec::new();
    while left > 0 {
        let rows = PIECES.into_iter().rfind(|length| *length <= left).unwrap_or(1);
        pieces.push((rows, Params::Positional(values.by_ref().take(rows * width).collect())));
        left -= rows;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: i64) -> Vec<Value> {
        (0..count).map(Value::from).collect()
    }

    fn numbers(params: Params) -> Vec<i64> {
        let Params::Positional(values) = params else { panic!("{params:?}") };
        values.into_iter().map(mysql_async::from_value).collect()
    }

    #[test]
    fn a_list_is_filled_up_with_its_last_row() {
        let (rows, params) = filled(values(6), 2);
        assert_eq!((rows, numbers(params)), (4, vec![0, 1, 2, 3, 4, 5, 4, 5]));
        assert_eq!(filled(values(512), 2).0, LIST_MAX);
        assert_eq!(repeated("(?, ?)", 2, ", "), "(?, ?), (?, ?)");
    }

    #[test]
    fn pieces_hold_every_row_once_and_are_few() {
        for rows in 1..=64_i64 {
            let pieces = pieces(values(rows * 3), 3);
            assert!(pieces.len() <= 2, "{rows} rows in {} pieces", pieces.len());
            let all: Vec<i64> = pieces.into_iter().flat_map(|(_, piece)| numbers(piece)).collect();
            assert_eq!(all, (0..rows * 3).collect::<Vec<_>>());
        }
    }
}
