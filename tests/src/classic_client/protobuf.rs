//! As much of protobuf's encoding as the service messages need.

/// The encoded fields of a message that is being put together.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// An integer. 0 is the default and stays away, as in every encoder of version 3.
    #[must_use]
    pub fn number(mut self, field: u32, value: i64) -> Self {
        if value != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(value.cast_unsigned());
        }
        self
    }

    /// A string or bytes.
    #[must_use]
    pub fn text(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A message within this one.
    #[must_use]
    pub fn message(self, field: u32, fields: &Fields) -> Self {
        self.text(field, &fields.0)
    }

    /// A list of integers, packed.
    #[must_use]
    pub fn numbers(self, field: u32, values: &[i64]) -> Self {
        let mut packed = Self::new();
        values.iter().for_each(|value| packed.varint(value.cast_unsigned()));
        self.text(field, packed.0)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}

/// A field as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(i64),
    Bytes(Vec<u8>),
}

/// A message as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<(u64, Value)>);

impl Message {
    /// Reads a message.
    ///
    /// # Panics
    /// When it is none.
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = take_varint(&mut bytes);
            let value = match key & 7 {
                0 => Value::Number(take_varint(&mut bytes).cast_signed()),
                2 => {
                    let length = usize::try_from(take_varint(&mut bytes)).expect("a length");
                    let (value, rest) = bytes.split_at_checked(length).expect("a whole field");
                    bytes = rest;
                    Value::Bytes(value.to_vec())
                }
                other => panic!("wire type {other} is in none of our messages"),
            };
            fields.push((key >> 3, value));
        }
        Self(fields)
    }

    /// An integer; 0 where there is none.
    pub fn number(&self, field: u64) -> i64 {
        let number = |value: &Value| match value {
            Value::Number(number) => Some(*number),
            Value::Bytes(_) => None,
        };
        self.all(field).find_map(number).unwrap_or_default()
    }

    /// A list of integers, packed.
    pub fn numbers(&self, field: u64) -> Vec<i64> {
        let bytes = self.bytes(field);
        let mut bytes = bytes.as_slice();
        let mut numbers = Vec::new();
        while !bytes.is_empty() {
            numbers.push(take_varint(&mut bytes).cast_signed());
        }
        numbers
    }

    /// Bytes; empty where there are none.
    pub fn bytes(&self, field: u64) -> Vec<u8> {
        let bytes = |value: &Value| match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            Value::Number(_) => None,
        };
        self.all(field).find_map(bytes).unwrap_or_default()
    }

    /// A string; empty where there is none.
    pub fn text(&self, field: u64) -> String {
        String::from_utf8_lossy(&self.bytes(field)).into_owned()
    }

    /// The messages of a field, in their order.
    pub fn messages(&self, field: u64) -> Vec<Message> {
        let message = |value: &Value| match value {
            Value::Bytes(bytes) => Some(Message::parse(bytes)),
            Value::Number(_) => None,
        };
        self.all(field).filter_map(message).collect()
    }

    /// The `Result` that every answer of the five services has as field 1: its code and its text.
    pub fn result(&self) -> (i64, String) {
        let result = Message::parse(&self.bytes(1));
        (result.number(1), result.text(2))
    }

    fn all(&self, field: u64) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |(number, _)| *number == field).map(|(_, value)| value)
    }
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than 64 bits");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_as_the_description_of_the_format_says() {
        // The examples of protobuf's own description of its encoding.
        assert_eq!(Fields::new().number(1, 150).as_bytes(), [0x08, 0x96, 0x01]);
        let testing = b"\x12\x07testing";
        assert_eq!(Fields::new().text(2, "testing").as_bytes(), testing);
        let packed = [0x32, 0x06, 0x03, 0x8E, 0x02, 0x9E, 0xA7, 0x05];
        assert_eq!(Fields::new().numbers(6, &[3, 270, 86942]).as_bytes(), packed);
        let nested = Fields::new().message(3, &Fields::new().number(1, 150));
        assert_eq!(nested.as_bytes(), [0x1A, 0x03, 0x08, 0x96, 0x01]);
    }

    #[test]
    fn what_was_encoded_is_read() {
        let fields = Fields::new().number(1, -1).text(2, "x").numbers(3, &[1, 300]);
        let message = Message::parse(fields.as_bytes());
        assert_eq!((message.number(1), message.text(2)), (-1, "x".to_owned()));
        assert_eq!((message.numbers(3), message.number(9)), (vec![1, 300], 0));
    }
}
