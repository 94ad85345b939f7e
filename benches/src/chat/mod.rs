//! Load through the text gateway.
