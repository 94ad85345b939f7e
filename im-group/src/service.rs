//! `GroupService` as other programs see it: requests in, answers out, nothing decided here.

use std::sync::Arc;

use mpim_proto::{
    CreateGroupReq, CreateGroupResp, GetGroupInfoReq, GetGroupInfoResp, GetGroupMembersReq,
    GetGroupMembersResp, GetUserGroupsReq, GetUserGroupsResp, GroupInfo, GroupMember, GroupRole,
    JoinGroupReq, JoinGroupResp, LeaveGroupReq, LeaveGroupResp, group_service,
};
use mprpc::{Context, Status};

use crate::error::GroupError;
use crate::groups::Groups;
use crate::hand_over::{HandOverError, Spans};
use crate::store::{Group, GroupStore, Member, MemberKey, Role};

/// The generated trait over the use cases.
#[derive(Debug)]
pub(crate) struct GroupService<S, M> {
    groups: Arc<Groups<S, M>>,
}

impl<S, M> GroupService<S, M> {
    pub(crate) fn new(groups: Arc<Groups<S, M>>) -> Self {
        Self { groups }
    }
}

impl<S: GroupStore, M: Spans> group_service::Server for GroupService<S, M> {
    async fn create_group(
        &self,
        cx: &Context,
        req: CreateGroupReq,
    ) -> Result<CreateGroupResp, Status> {
        let CreateGroupReq { creator_id, group_name, description } = req;
        let outcome = self.groups.create(cx, creator_id, group_name, description).await;
        let (result, group_id) = answer("group created", outcome)?;
        Ok(CreateGroupResp { result: Some(result), group_id })
    }

    async fn join_group(&self, cx: &Context, req: JoinGroupReq) -> Result<JoinGroupResp, Status> {
        let member = MemberKey { group_id: req.group_id, user_id: req.user_id };
        let (result, ()) = answer("joined group", self.groups.join(cx, member).await)?;
        Ok(JoinGroupResp { result: Some(result) })
    }

    async fn leave_group(
        &self,
        cx: &Context,
        req: LeaveGroupReq,
    ) -> Result<LeaveGroupResp, Status> {
        let member = MemberKey { group_id: req.group_id, user_id: req.user_id };
        let (result, ()) = answer("left group", self.groups.leave(cx, member).await)?;
        Ok(LeaveGroupResp { result: Some(result) })
    }

    async fn get_group_members(
        &self,
        _cx: &Context,
        req: GetGroupMembersReq,
    ) -> Result<GetGroupMembersResp, Status> {
        let (result, members) = answer("ok", self.groups.members(req.group_id).await)?;
        let member_ids = members.iter().map(|member| member.user_id).collect();
        let members = members.into_iter().map(group_member).collect();
        Ok(GetGroupMembersResp { result: Some(result), member_ids, members })
    }

    async fn get_user_groups(
        &self,
        _cx: &Context,
        req: GetUserGroupsReq,
    ) -> Result<GetUserGroupsResp, Status> {
        let (result, group_ids) = answer("ok", self.groups.groups_of(req.user_id).await)?;
        Ok(GetUserGroupsResp { result: Some(result), group_ids })
    }

    async fn get_group_info(
        &self,
        _cx: &Context,
        req: GetGroupInfoReq,
    ) -> Result<GetGroupInfoResp, Status> {
        let outcome = self.groups.group(req.group_id).await;
        let (result, group_info) = answer("ok", outcome.map(group_info).map(Some))?;
        Ok(GetGroupInfoResp { result: Some(result), group_info })
    }
}

fn group_member(member: Member) -> GroupMember {
    let role = match member.role {
        Role::Member => GroupRole::Member,
        Role::Creator => GroupRole::Creator,
    };
    GroupMember { user_id: member.user_id, role: role.into() }
}

fn group_info(group: Group) -> GroupInfo {
    GroupInfo {
        group_id: group.group_id,
        group_name: group.name,
        description: group.description,
        creator_id: group.creator_id,
        created_at: group.created_at_ms.div_euclid(1000),
    }
}

/// Turns an outcome into the answer's `Result` and content. A refusal is an answer without
/// content, in the words of the error; a failure is a status.
fn answer<T: Default>(
    done: &str,
    outcome: Result<T, GroupError>,
) -> Result<(mpim_proto::Result, T), Status> {
    use GroupError as E;
    let error = match outcome {
        Ok(content) => return Ok((mpim_proto::Result::ok_saying(done), content)),
        Err(error) => error,
    };
    let said = error.to_string();
    let refusal = match error {
        E::GroupNotFound => mpim_proto::Result::not_found(&said),
        E::BadUserId
        | E::BadGroupName
        | E::DescriptionTooLong
        | E::NameTaken
        | E::AlreadyInGroup
        | E::NotInGroup
        | E::GroupFull
        | E::TooManyGroups => mpim_proto::Result::invalid(&said),
        E::HandOver(HandOverError::Unreachable(_) | HandOverError::NotServed) => {
            return Err(Status::unavailable(said));
        }
        E::HandOver(HandOverError::Store(error)) | E::Store(error) => {
            error.report();
            return Err(Status::unavailable(said));
        }
        E::HandOver(HandOverError::Refused(_)) => {
            tracing::error!(error = im_common::in_one_line(&error), "operation failed");
            return Err(Status::internal(said));
        }
    };
    Ok((refusal, T::default()))
}

#[cfg(test)]
mod tests;
