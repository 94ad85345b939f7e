//! Cursors, from requests to moves. What makes no sense is found before anything moves.

use mpim_proto::{
    AdvanceCursorsReq, AdvanceCursorsResp, AdvanceForManyReq, AdvanceForManyResp, user_service,
};
use mprpc::Status;

use super::MessageService;
use super::outcome::{BAD_SEQ, bounded, conv, ok, out_of_range, reader, unavailable};
use crate::conversation::ConvId;
use crate::receipts::Came;
use crate::store::{Reader, Timeline};

type Move = (Reader, ConvId, i64);

impl<T: Timeline, U: user_service::Server> MessageService<T, U> {
    pub(super) async fn move_cursors(
        &self,
        request: AdvanceCursorsReq,
    ) -> Result<AdvanceCursorsResp, Status> {
        bounded(request.moves.len())?;
        let mut moves = Vec::with_capacity(request.moves.len());
        if !of_device(request, &mut moves)? {
            return Ok(AdvanceCursorsResp { result: out_of_range(BAD_SEQ) });
        }
        self.advance(moves).await?;
        Ok(AdvanceCursorsResp { result: ok() })
    }

    pub(super) async fn move_cursors_of_many(
        &self,
        request: AdvanceForManyReq,
    ) -> Result<AdvanceForManyResp, Status> {
        let count = request.devices.iter().map(|device| device.moves.len()).sum();
        bounded(count)?;
        let mut moves = Vec::with_capacity(count);
        for device in request.devices {
            if !of_device(device, &mut moves)? {
                return Ok(AdvanceForManyResp { result: out_of_range(BAD_SEQ) });
            }
        }
        self.advance(moves).await?;
        Ok(AdvanceForManyResp { result: ok() })
    }

    async fn advance(&self, moves: Vec<Move>) -> Result<(), Status> {
        let progress = self.store.advance_for_many(moves).await.map_err(unavailable)?;
        self.receipts.tell(progress.into_iter().map(Came::ToHave));
        Ok(())
    }
}

/// Adds the moves of one device; false if one of them goes where nothing can stand.
fn of_device(request: AdvanceCursorsReq, moves: &mut Vec<Move>) -> Result<bool, Status> {
    let reader = reader(request.user_id, request.device)?;
    for to in request.moves {
        if to.seq < 0 {
            return Ok(false);
        }
        moves.push((reader.clone(), conv(&to.conv_id)?, to.seq));
    }
    Ok(true)
}
