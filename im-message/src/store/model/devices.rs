//! Where devices begin, as the model has it.

use im_common::StoreError;

use super::{Model, State};
use crate::store::{Devices, Reader};

impl State {
    fn remove_cursors(&mut self, reader: &Reader) {
        self.cursors.retain(|(of, _), _| of != reader);
        self.opened.retain(|(of, _), _| of != reader);
    }
}

impl Devices for Model {
    async fn open_device(&self, reader: &Reader, generation: i64) -> Result<bool, StoreError> {
        let mut state = self.state();
        let known = state.devices.get(reader).copied();
        match known {
            Some((known, forgotten)) if known == generation => return Ok(!forgotten),
            Some((known, _)) if known > generation => return Ok(false),
            _ => {}
        }
        let own = state.cursors.keys().any(|(of, _)| of == reader);
        let any = state.cursors.keys().any(|(of, _)| of.uid == reader.uid);
        if known.is_some() {
            state.remove_cursors(reader);
        }
        if known.is_some() || (!own && (any || generation > 1)) {
            for conv in state.order.clone() {
                if let Some(head) = state.conversations[&conv].head(reader.uid) {
                    state.cursors.insert((reader.clone(), conv), (head, 0));
                    state.opened.insert((reader.clone(), conv), head);
                }
            }
        }
        state.devices.insert(reader.clone(), (generation, false));
        Ok(true)
    }

    async fn forget_device(&self, reader: &Reader, generation: i64) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.devices.get(reader).is_none_or(|(known, _)| *known <= generation) {
            state.remove_cursors(reader);
            state.devices.insert(reader.clone(), (generation, true));
        }
        Ok(())
    }
}
